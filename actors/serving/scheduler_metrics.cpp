// Names of the metrics, and the differences that they grow by.
#include "actors/serving/scheduler_metrics.hpp"

#include <fmt/format.h>

#include "core/log.hpp"

namespace fastptm::actors {

using policy::scheduling::core_counters;
using policy::scheduling::rejection;

namespace {
constexpr core::duration_us silence_us = 1'000'000;
} // namespace

scheduler_metrics::scheduler_metrics(core::metrics_registry& registry)
    : decision_(&registry.make_histogram("fastptm_scheduler_decision_seconds", "Time of one decision of the core", {},
                                         core::deciding_buckets)),
      queued_(&registry.make_gauge("fastptm_requests_queued", "Requests accepted and not with a device")),
      failed_loads_(&registry.make_counter("fastptm_loads_failed_total", "Loads that did not end with a resident set")),
      batches_answered_(&registry.make_counter("fastptm_batches_total", "Batches answered")),
      failed_batches_(
          &registry.make_counter("fastptm_batches_failed_total", "Batches whose requests went back to the queue")),
      followed_{{
          {&core_counters::decisions,
           &registry.make_counter("fastptm_scheduler_decisions_total", "Decisions of the core")},
          {&core_counters::arrivals,
           &registry.make_counter("fastptm_scheduler_arrivals_total", "Requests that the core accepted")},
          {&core_counters::requeued,
           &registry.make_counter("fastptm_requests_requeued_total", "Requests that went back to the queue")},
          {&core_counters::refused,
           &registry.make_counter("fastptm_requests_refused_total", "Requests that ended without an answer")},
          {&core_counters::cancelled,
           &registry.make_counter("fastptm_requests_cancelled_total", "Requests whose callers went before the answer")},
          {&core_counters::loads, &registry.make_counter("fastptm_loads_total", "Loads ordered")},
          {&core_counters::prefetches,
           &registry.make_counter("fastptm_prefetches_total", "Loads ordered ahead of a visit")},
          {&core_counters::replicas,
           &registry.make_counter("fastptm_replicas_total",
                                  "Loads ordered because a model was too hot for its holders")},
          {&core_counters::evictions, &registry.make_counter("fastptm_evictions_total", "Sets given up for others")},
          {&core_counters::clock_went_back,
           &registry.make_counter("fastptm_scheduler_clock_back_total", "Events that came with an earlier time")},
      }} {
  for (size_t i = 1; i < rejected_.size(); ++i)
    rejected_[i] =
        &registry.make_counter("fastptm_scheduler_events_rejected_total", "Events that the core took for impossible",
                               fmt::format("reason=\"{}\"", to_string(static_cast<rejection>(i))));
}

void scheduler_metrics::decided(const core_counters& counted, int64_t took_ns) {
  decision_->observe_ns(took_ns);
  for (const auto& [from, to] : followed_)
    if (const uint64_t more = counted.*from - told_.*from; more > 0) to->add(more);
  for (size_t i = 1; i < rejected_.size(); ++i)
    if (const uint64_t more = counted.rejected[i] - told_.rejected[i]; more > 0) rejected_[i]->add(more);
  told_ = counted;
}

void rejection_log::rejected(rejection reason, std::string_view event, core::time_us now) {
  auto& last = lines_[static_cast<size_t>(reason)];
  if (now < last.silent_until_us) {
    ++last.suppressed;
    return;
  }
  core::log::warn("scheduler", "event-rejected", "{}: {}{}", event, to_string(reason),
                  last.suppressed == 0 ? "" : fmt::format(" ({} more since the last line)", last.suppressed));
  last = {now + silence_us, 0};
}

} // namespace fastptm::actors
