// The scheduling core: every decision of when to load, switch, run and refuse, as a function of events.
// No effects, no clock, no threads, no allocation once its tables have grown: the live actor, the replays and the tests
// drive this one object.
//
// How to drive it. One owner, one thread at a time.
//   auto core = make_core(options).value();
//   commands out;                       // reused
//   core->on(arrival{...}, now, out);   // then carry out out.all() in order; the next `on` clears it
// Order of events: tenant_added (optional) before model_added before arrivals of the model; device_joined at any time.
// Several things that happened at the same instant are best told as one span: the core then decides once, knowing all.
// `now` never goes back: an earlier one is taken as the latest seen, and counted.
//
// What the driver owes the core:
//   load   start it; a device's loads go in the order commanded, at most copy_engines at once. Answer with exactly one
//          load_done or load_failed. The evicts it needs were commanded before it.
//   evict  drop the set: nothing runs on it. No answer. If the device dropped a set by itself: set_evicted.
//   run    answer with exactly one batch_done or batch_failed. It may be commanded while its load is under way
//          (waits_for != 0). When that load fails the batch is void: see load_failed. A lane gets no second run before
//          the first is answered.
//   refuse answer the request; its slot is free.
//   set_timer  call on(timer{}) at that time or as soon after as possible; a later set_timer replaces it.
// A slot of the request table belongs to the core from an accepted arrival until: refuse, the batch_done of its batch,
// or an accepted `cancelled` while it was queued (was_queued() tells). Then the driver may use it again, generation
// + 1. device_lost voids all batches and loads of the device: their requests are queued again or refused in the same
// call. An index of a device may join again at once after device_lost.
//
// A rejected event has no effect; `on` says why and counters() counts. Only arrivals need the driver's action then:
// the core does not hold that request.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string_view>

#include "core/error.hpp"
#include "policy/scheduling/events.hpp"
#include "policy/scheduling/options.hpp"

namespace fastptm::policy::scheduling {

class board;
class strategy;
struct judgement;

struct core_counters {
  std::array<uint64_t, rejection_count> rejected{}; // By rejection; [none] stays 0.
  uint64_t clock_went_back = 0;
  uint64_t decisions = 0; // Calls of `on`.
  uint64_t arrivals = 0, finished = 0, refused = 0, requeued = 0, cancelled = 0;
  uint64_t withdrawn = 0; // Cancelled while they were queued.
  uint64_t batches = 0, loads = 0, prefetches = 0, replicas = 0, evictions = 0;
};

class scheduling_core {
public:
  scheduling_core(const options& chosen, std::unique_ptr<strategy> plan);
  ~scheduling_core();

  rejection on(const event& what, time_us now, commands& out);
  // Events of one instant, decided upon once. Returns how many were rejected; `reasons`, if given, gets one per event.
  size_t on(std::span<const event> what, time_us now, commands& out, std::span<rejection> reasons = {});

  // Does the slot belong to the core, for this very request?
  bool holds(request_ref request) const;
  const core_counters& counters() const;
  const options& chosen() const;
  // Everything the core believes, for status, explain and tests: see board.hpp.
  const board& state() const;
  // The strategy's view of one visit: see strategy.hpp, and explain.hpp for all of it in words.
  judgement judge(lane_index lane, model_index model) const;

private:
  rejection take(const event& what);

  std::unique_ptr<board> board_;
  std::unique_ptr<strategy> strategy_;
};

// Fails with errc::invalid when the strategy is unknown or a knob is out of range; the text names the knob.
core::result<std::unique_ptr<scheduling_core>> make_core(const options& chosen);

// All names `options::strategy` may have.
std::span<const std::string_view> strategy_names();

} // namespace fastptm::policy::scheduling
