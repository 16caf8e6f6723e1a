// Names, permissions and preferences of source kinds.
#include "policy/sourcing.hpp"

#include <array>

namespace fastptm::policy {

namespace {

constexpr std::array<std::string_view, source_kind_count> names = {"peer_device", "host_cache", "peer_host", "disk"};

} // namespace

std::string_view to_string(source_kind kind) noexcept {
  return names[static_cast<size_t>(kind)];
}

std::optional<source_kind> source_kind_from(std::string_view name) noexcept {
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i] == name) return static_cast<source_kind>(i);
  return std::nullopt;
}

allowed_sources::allowed_sources(std::span<const source_kind> kinds) : bits_(0) {
  for (auto kind : kinds) bits_ |= 1u << static_cast<uint32_t>(kind);
}

uint64_t preference_bps(source_kind kind, uint64_t rate_bps) noexcept {
  return kind == source_kind::peer_device ? rate_bps + rate_bps / 4 : rate_bps;
}

} // namespace fastptm::policy
