// Runs batches on one device.
#pragma once

#include <memory>

#include "engine/batch_runner.hpp"
#include "gpu/device.hpp"

namespace fastptm::engine {

// Thread-safe. Owns the skeletons of its device, a bounded number of them. Must not outlive the device; its destructor
// waits for what was submitted. The clock is core::monotonic_now_us()'s; `done` is called on the executor's thread.
class runner final : public batch_runner {
public:
  explicit runner(gpu::device& on);
  ~runner() override;
  runner(const runner&) = delete;
  runner& operator=(const runner&) = delete;

  core::result<void> submit(run_request request, run_done done) override;

private:
  class state;
  std::unique_ptr<state> state_;
};

} // namespace fastptm::engine
