// When a request that was not answered comes again: how long its client waits, or that what it got is final.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/clock.hpp"
#include "core/random.hpp"

namespace fastptm::clients {

// How one try ended without an answer.
struct failed_try {
  std::string_view status; // as the command line prints it
  core::duration_us retry_after_us = 0;
};

// Of one call, until its deadline. What is `unavailable` (a broken connection is, too) comes again after a pause that
// doubles; what was refused with a hint comes again when the hint says, unless that is after the deadline or the caller
// wants to see refusals. Everything else is final.
// Pauses are spread at random, so that many clients do not come at once.
class repetition {
public:
  repetition(uint64_t seed, bool waits_when_refused) : random_(seed), waits_when_refused_(waits_when_refused) {}

  // The pause before the next try; nothing: no more.
  std::optional<core::duration_us> pause_after(const failed_try& last, core::time_us now, core::time_us deadline_us);

private:
  core::duration_us spread(core::duration_us least_us);

  core::prng random_;
  const bool waits_when_refused_;
  uint32_t breaks_ = 0;
};

} // namespace fastptm::clients
