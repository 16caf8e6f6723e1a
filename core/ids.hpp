// Strong ids: no bare integer that means a thing crosses a signature.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace fastptm::core {

template <class Tag, class Rep> struct strong_id {
  Rep value{};
  friend constexpr auto operator<=>(const strong_id&, const strong_id&) = default;
};

using tenant_id = strong_id<struct tenant_tag, uint32_t>;   // dense, given by the head for its life
using model_id = strong_id<struct model_tag, uint64_t>;     // row of the catalogue: survives restarts, never reused
using request_id = strong_id<struct request_tag, uint64_t>; // counted by the scheduler for its life
using batch_id = strong_id<struct batch_tag, uint64_t>;     // counted by the scheduler for its life
using load_id = strong_id<struct load_tag, uint64_t>;       // counted by the scheduler; shown in the reports of loads
using incarnation = strong_id<struct incarnation_tag, uint64_t>; // random, one per life of a node; 0 means none

} // namespace fastptm::core

template <class Tag, class Rep> struct std::hash<fastptm::core::strong_id<Tag, Rep>> {
  size_t operator()(const fastptm::core::strong_id<Tag, Rep>& id) const noexcept { return std::hash<Rep>{}(id.value); }
};
