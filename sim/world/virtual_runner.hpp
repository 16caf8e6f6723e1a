// A double of the engine: waits for shards as that does, and takes virtual time.
// It answers with a checksum of the weights and numbers that it was given, so that an answer from wrong bytes shows.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "core/clock.hpp"
#include "engine/batch_runner.hpp"

namespace fastptm::sim::world {

// Of the numbers with which a set is computed.
uint64_t sum_of(const models::architecture& arch, const models::task& job);
// What the runner answers for a set with these numbers and shards, in their order.
std::vector<float> answer_of(uint64_t sum_of_numbers, std::span<const std::span<const std::byte>> shards);

// One batch at a time, in order. One thread; nothing completes but inside progress().
class virtual_runner final : public engine::batch_runner {
public:
  virtual_runner(const core::clock& clock, core::duration_us run_us, bool waits_for_shards = true)
      : clock_(clock), run_us_(run_us), waits_(waits_for_shards) {}

  core::result<void> submit(engine::run_request request, engine::run_done done) override;

  std::function<void()> when_busy; // there is something to do

  bool is_idle() const { return runs_.empty(); }
  // Begins and ends what is due now; returns whether anything did.
  bool progress();
  std::optional<core::time_us> next_due_us() const;

private:
  struct run {
    engine::run_request request;
    engine::run_done done;
    core::time_us submitted_us = 0;
    core::time_us began_us = 0;           // all shards were there; 0: not yet
    std::vector<std::vector<float>> rows; // read when it began
  };
  uint64_t sum_of_numbers(const engine::run_request& of);
  void finish(core::result<engine::run_result> how);

  const core::clock& clock_;
  const core::duration_us run_us_;
  const bool waits_;
  std::deque<run> runs_;                          // the first one is on the device
  std::optional<models::architecture> last_arch_; // most sets have the same
  std::optional<models::task> last_job_;
  uint64_t last_sum_ = 0;
};

} // namespace fastptm::sim::world
