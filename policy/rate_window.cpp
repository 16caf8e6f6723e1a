// A ring of totals; see rate_window.hpp.
#include "policy/rate_window.hpp"

#include <algorithm>

namespace fastptm::policy {

namespace {

// What is older says little of now, unless there is nothing newer.
constexpr core::duration_us window_us = 1'000'000;
constexpr uint32_t least_landings = 2; // a pair
// From then on the prior is forgotten.
constexpr uint32_t landings_to_know = 4;

uint64_t rate_bps(uint64_t bytes, core::duration_us in_us) {
  return bytes * 1'000'000 / static_cast<uint64_t>(std::max<core::duration_us>(in_us, 1));
}

} // namespace

rate_window::rate_window(uint64_t prior_bps, uint64_t chunk_bytes)
    : chunk_bytes_(chunk_bytes), prior_bps_(std::max<uint64_t>(prior_bps, 1)), bps_(prior_bps_) {}

void rate_window::pass(core::time_us now) {
  if (busy_) total_.busy_us += std::max<core::duration_us>(now - since_us_, 0);
  since_us_ = now;
}

void rate_window::begin(core::time_us now) {
  busy_ = true;
  since_us_ = now;
}

void rate_window::end(core::time_us now) {
  pass(now);
  busy_ = false;
}

void rate_window::landed(uint64_t bytes, core::time_us now) {
  pass(now);
  total_.bytes += bytes;
  auto back = std::min(marked_, most_marks);
  const auto at = [&](uint32_t landings) -> const mark& { return marks_[(marked_ - landings) % most_marks]; };
  while (back > least_landings && total_.busy_us - at(back).busy_us > window_us) --back;
  const auto& first = at(back);
  const auto seen_bytes = total_.bytes - first.bytes;
  const auto seen_us = total_.busy_us - first.busy_us;
  const bool knows = marked_ >= landings_to_know;
  const auto prior_us = static_cast<core::duration_us>(chunk_bytes_ * 1'000'000 / prior_bps_);
  bps_ = std::max<uint64_t>(
      knows ? rate_bps(seen_bytes, seen_us) : rate_bps(seen_bytes + chunk_bytes_, seen_us + prior_us), 1);
  marks_[marked_ % most_marks] = total_;
  ++marked_;
}

void rate_window::restart(uint64_t prior_bps) {
  bps_ = prior_bps_ = std::max<uint64_t>(prior_bps, 1);
  marks_[0] = total_;
  marked_ = 1;
}

} // namespace fastptm::policy
