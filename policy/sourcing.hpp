// Where weights may come from and which source is liked better. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace fastptm::policy {

// Nearest first. Before a load the scheduler expects the first three, by host; a load then finds which it is.
enum class source_kind : uint8_t {
  peer_device, // the arena of another device; to the scheduler: of one of the same host
  host_cache,  // the host cache of this host
  peer_host,   // the host cache of another host; to the scheduler: whatever another host has of it
  disk         // the store's objects
};

inline constexpr uint32_t source_kind_count = 4;
inline constexpr uint32_t expected_source_count = 3; // the first ones: what a scheduler tells apart

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

// What a source's rate is before anything was measured, in bytes per second: rough orders, only their ratios matter.
constexpr uint64_t assumed_rate_bps(source_kind kind) noexcept {
  constexpr uint64_t rates_bps[source_kind_count] = {10'000'000'000, 5'000'000'000, 1'000'000'000, 2'000'000'000};
  return rates_bps[static_cast<size_t>(kind)];
}

// The rate by which sources are compared. A peer device counts a quarter more than measured: within 25 % of a host's
// memory it wins, because host memory and its link are shared by every device of the host.
uint64_t preference_bps(source_kind kind, uint64_t rate_bps) noexcept;

} // namespace fastptm::policy
