// An architecture ready to run on a device, without weights.
#pragma once

#include <cstdint>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "gpu/kernels.hpp"
#include "models/architecture.hpp"
#include "models/skeleton/batch.hpp"
#include "models/skeleton/binding.hpp"
#include "models/skeleton/workspace.hpp"

namespace fastptm::models {

// What one pass computes with. The result of a pass stays in the workspace until the next reserve().
struct pass {
  gpu::kernels& compute;
  workspace& memory;
  const batch& inputs;
  binding& weights;
  core::time_us first_layer_at_us = 0; // set by the skeleton
};

// Only the executor thread uses it. Families of one shape share an implementation.
class skeleton {
public:
  virtual ~skeleton() = default;
  virtual const models::architecture& architecture() const = 0;

  // errc::invalid unless the shards are as many and as large as this architecture with this task has.
  virtual core::result<void> check(const models::task& job, const binding& weights) = 0;

  // One row per sequence: embeddings or logits. Requires: check() of the same job and binding succeeded.
  virtual core::result<gpu::activations> run(const models::task& job, pass& on) = 0;
};

} // namespace fastptm::models
