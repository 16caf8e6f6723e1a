// What a visit is worth: requests served per time, discounted by the time that is left (notes in docs/scheduling.md).
#pragma once

#include <algorithm>
#include <cmath>

#include "policy/scheduling/board.hpp"

namespace fastptm::policy::scheduling {

// Of the time that the request was given, the part that is left.
inline double share_left(const board& b, const request_entry& r) {
  return static_cast<double>(r.deadline_us - b.now()) /
         static_cast<double>(std::max<duration_us>(1, r.deadline_us - r.arrival_us));
}

// Of a visit to the model with `count` live requests that begins after `setup_us`. Beyond four batches ahead of others
// a visit is long enough to be judged by what it does first.
inline double visit_value(const board& b, model_index x, device_index d, uint32_t count, duration_us setup_us) {
  const uint32_t most = b.chosen().max_batch;
  const uint32_t counted = most > 1 ? std::min(count, 4 * most) : count;
  const duration_us one_us = b.execution_us(x, d, 1), two_us = b.execution_us(x, d, 2);
  const duration_us each_us = two_us - one_us, base_us = one_us - each_us;
  const uint32_t batches = (counted + most - 1) / most;
  const double work_us = static_cast<double>(setup_us) + static_cast<double>(batches) * static_cast<double>(base_us) +
                         static_cast<double>(counted) * static_cast<double>(each_us);
  const auto slack_us = static_cast<double>(b.head_deadline_us(x) - b.now() - setup_us - one_us);
  const request_entry& head = b.request(b.live_head(x));
  const duration_us scale_us =
      b.chosen().slack_scale_us > 0 ? b.chosen().slack_scale_us : (head.deadline_us - head.arrival_us) / 5 + 1;
  return counted / std::max(1.0, work_us) * std::exp(-std::max(0.0, slack_us) / static_cast<double>(scale_us));
}

// Rent or buy: a load is paid for once its requests have waited `hold` times its length together, or when the slack of
// the first of them comes down to the guard. How long from now until then; 0: it is not held. Requires: live requests.
inline duration_us held_for_us(const board& b, model_index x, duration_us load_us, duration_us run_us) {
  if (b.chosen().hold <= 0) return 0;
  const request_queue& queue = b.model(x).live;
  const double waited_us = static_cast<double>(b.now()) * queue.count - static_cast<double>(queue.arrival_sum_us);
  const double price_us = b.chosen().hold * static_cast<double>(load_us);
  const duration_us slack_us = b.head_deadline_us(x) - b.now() - load_us - run_us - b.chosen().hold_guard_us;
  if (waited_us >= price_us || slack_us <= 0) return 0;
  const auto paid_after_us = static_cast<duration_us>((price_us - waited_us) / queue.count) + 1;
  return std::min(paid_after_us, slack_us);
}

} // namespace fastptm::policy::scheduling
