// Exponential back-off, and hints that are believed.
#include "clients/cpp/repetition.hpp"

#include <algorithm>

namespace fastptm::clients {

namespace {

// A head that was killed listens again after 0.1 to 1 s: the first tries find it early, the last ones do not load it.
constexpr core::duration_us first_pause_us = 20'000, longest_pause_us = 500'000;

} // namespace

std::optional<core::duration_us> repetition::pause_after(const failed_try& last, core::time_us now,
                                                         core::time_us deadline_us) {
  const auto left_us = deadline_us - now;
  if (left_us <= 0) return std::nullopt;
  if (last.status == "unavailable") {
    const auto backed_off_us = std::min(first_pause_us << std::min(breaks_++, 16u), longest_pause_us);
    // Up to the deadline: that it passed is what `unavailable` means.
    return std::min(std::max(spread(backed_off_us), last.retry_after_us), left_us);
  }
  const bool is_refused = last.status == "quota_exceeded" || last.status == "refused";
  if (!is_refused || !waits_when_refused_ || last.retry_after_us <= 0) return std::nullopt;
  const auto pause_us = spread(last.retry_after_us);
  if (pause_us >= left_us) return std::nullopt;
  return pause_us;
}

// Up to one and a half times as long.
core::duration_us repetition::spread(core::duration_us least_us) {
  return least_us + static_cast<core::duration_us>(random_.below(static_cast<uint64_t>(least_us) / 2 + 1));
}

} // namespace fastptm::clients
