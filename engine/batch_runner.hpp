// What a worker asks of whoever computes on its device: run a batch of one model.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "models/architecture.hpp"
#include "models/skeleton/sequence.hpp"

namespace fastptm::engine {

using models::sequence;
using models::shard_address;

struct run_request {
  models::architecture arch;
  models::model_facts facts; // of it
  models::task job;
  std::vector<shard_address> shards; // as in the manifest; the caller keeps the regions leased until `done`
  std::vector<sequence> inputs;      // at least one
  core::time_us give_up_at_us = 0;   // bound on waiting for shards, on the clock of the node
};

struct run_result {
  std::vector<std::vector<float>> rows; // one per input, in order: the embedding or the logits
  core::duration_us run_us = 0;         // from the start on the executor to the end, waiting included
  core::duration_us waited_us = 0;      // of run_us: waiting for shards
  core::time_us began_us = 0;           // of run_us, on that clock
  core::time_us first_layer_at_us = 0;  // when the first layer began to compute
};

using run_done = std::function<void(core::result<run_result>)>;

// The engine, or what stands for it where time is virtual.
class batch_runner {
public:
  virtual ~batch_runner() = default;

  // errc::invalid: the inputs or shards do not suit the model (`done` is not called then). errc::busy: the device's
  // queue is full (`done` is not called). Otherwise `done` is called exactly once, on another thread or later, and must
  // not block.
  // A run may start while its shards are still loading: each layer waits for its shard's event, nothing else; a shard
  // that fails or does not come by give_up_at_us makes the run fail with that error.
  virtual core::result<void> submit(run_request request, run_done done) = 0;
};

} // namespace fastptm::engine
