// Names, assumed rates and preferences of source kinds.
#include "policy/sourcing.hpp"

#include <array>

namespace fastptm::policy {

namespace {

struct kind_facts {
  std::string_view name;
  uint64_t assumed_rate_bps;
};

constexpr std::array<kind_facts, source_kind_count> facts = {{{"same_device", 100'000'000'000},
                                                              {"peer_device", 8'000'000'000},
                                                              {"peer_host", 3'000'000'000},
                                                              {"host_cache", 8'000'000'000},
                                                              {"disk", 2'000'000'000},
                                                              {"origin", 100'000'000}}};

} // namespace

std::string_view to_string(source_kind kind) noexcept {
  return facts[static_cast<size_t>(kind)].name;
}

std::optional<source_kind> source_kind_from(std::string_view name) noexcept {
  for (size_t i = 0; i < facts.size(); ++i)
    if (facts[i].name == name) return static_cast<source_kind>(i);
  return std::nullopt;
}

allowed_sources::allowed_sources(std::span<const source_kind> kinds) : bits_(0) {
  for (auto kind : kinds) bits_ |= 1u << static_cast<uint32_t>(kind);
}

uint64_t assumed_rate_bps(source_kind kind) noexcept {
  return facts[static_cast<size_t>(kind)].assumed_rate_bps;
}

uint64_t preference_bps(source_kind kind, uint64_t rate_bps) noexcept {
  return kind == source_kind::peer_device ? rate_bps + rate_bps / 4 : rate_bps;
}

} // namespace fastptm::policy
