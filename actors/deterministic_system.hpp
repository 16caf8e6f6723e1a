// An actor system without threads, for tests, benchmarks and worlds: messages run and time passes when they say so.
#pragma once

#include <chrono>
#include <memory>
#include <variant>

#include <caf/all.hpp>
#include <caf/scheduler/test_coordinator.hpp>

#include "core/check.hpp"
#include "core/clock.hpp"
#include "core/error.hpp"
#include "protocol/errors.hpp"
#include "protocol/interfaces.hpp"

namespace fastptm::actors {

// Timers of actors and `clock` move together. Detached actors and foreign threads are not under its control.
class deterministic_system {
public:
  deterministic_system()
      : system_(config_), scheduler_(dynamic_cast<caf::scheduler::test_coordinator&>(system_.scheduler())) {
    // CAF's test clock starts at zero, which its timers take for "not set".
    scheduler_.clock().current_time += std::chrono::hours(1);
    clock_.advance(3'600'000'000);
  }
  ~deterministic_system() { scheduler_.run(); }

  caf::actor_system& system() { return system_; }
  core::manual_clock& clock() { return clock_; }
  const core::manual_clock& clock() const { return clock_; }
  caf::scheduler::test_coordinator& scheduler() const { return scheduler_; } // whose jobs are in which order

  // Runs every message that can run now; no time passes.
  void run() { scheduler_.run(); }

  // Lets time pass in steps (of a millisecond, unless said otherwise), running what becomes due.
  void advance(core::duration_us by_us, core::duration_us step_us = 1000) {
    run();
    for (core::duration_us passed = 0; passed < by_us; passed += step_us) {
      clock_.advance(step_us);
      scheduler_.advance_time(std::chrono::microseconds(step_us));
      run();
    }
  }

  // Lets time pass at once, as for a process that was stopped: what became due meanwhile is late.
  void stand_still(core::duration_us for_us) {
    run();
    clock_.advance(for_us);
    scheduler_.advance_time(std::chrono::microseconds(for_us));
    run();
  }

  // Asks and lets up to `patience_us` pass until the answer is there.
  template <class R, class Handle, class... Xs>
  core::result<R> ask(const Handle& whom, core::duration_us patience_us, Xs&&... xs) {
    caf::scoped_actor self{system_};
    auto answer = self->request(whom, std::chrono::microseconds(patience_us), std::forward<Xs>(xs)...);
    run();
    for (core::duration_us passed = 0; !self->has_next_message() && passed <= patience_us; passed += 1000)
      advance(1000);
    core::result<R> result = core::fail(core::errc::internal, "neither an answer nor a timeout came");
    if (!self->has_next_message()) return result;
    answer.receive([&](R& value) { result = std::move(value); },
                   [&](caf::error& failure) { result = core::fail(protocol::from_caf(failure)); });
    return result;
  }

private:
  struct config : caf::actor_system_config {
    config() {
      set("scheduler.policy", caf::atom("testing"));
      add_message_types<caf::id_block::fastptm>();
    }
  };
  config config_;
  caf::actor_system system_;
  caf::scheduler::test_coordinator& scheduler_;
  core::manual_clock clock_;
};

} // namespace fastptm::actors
