// Where weights may come from and which source is liked better. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace fastptm::policy {

enum class source_kind : uint8_t {
  same_device, // already in this arena: shared, nothing moves
  peer_device, // the arena of another device
  peer_host,   // the host cache of another host
  host_cache,  // the host cache of this host
  disk,        // the store's objects on this host
  origin       // wherever the model was published from
};

inline constexpr uint32_t source_kind_count = 6;

// The stable name in reports, e.g. "peer_device".
std::string_view to_string(source_kind kind) noexcept;
std::optional<source_kind> source_kind_from(std::string_view name) noexcept;

// Which kinds a configuration allows; all by default.
class allowed_sources {
public:
  constexpr allowed_sources() = default;
  explicit allowed_sources(std::span<const source_kind> kinds);
  bool contains(source_kind kind) const noexcept { return (bits_ >> static_cast<uint32_t>(kind)) & 1; }

private:
  uint32_t bits_ = (1u << source_kind_count) - 1;
};

// What a source's rate is before anything was measured: rough orders, only their ratios matter.
uint64_t assumed_rate_bps(source_kind kind) noexcept; // bytes per second

// The rate by which sources are compared. A peer device counts a quarter more than measured: within 25 % of a host's
// memory it wins, because host memory and its link are shared by every device of the host.
uint64_t preference_bps(source_kind kind, uint64_t rate_bps) noexcept;

} // namespace fastptm::policy
