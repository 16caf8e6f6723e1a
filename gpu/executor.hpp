// One thread of a device's own that runs accepted work in order.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <thread>

#include "core/error.hpp"
#include "core/mutex.hpp"

namespace fastptm::gpu {

class executor {
public:
  // `name`: what debuggers and top show, cut to 15 bytes. `bound`: pieces of work that may wait.
  executor(const std::string& name, size_t bound);
  ~executor(); // Runs what was accepted, then ends the thread.
  executor(const executor&) = delete;
  executor& operator=(const executor&) = delete;

  // Any thread, never blocks. errc::busy when full.
  core::result<void> execute(std::function<void()> work);

private:
  void serve();

  const size_t bound_;
  core::mutex mutex_;
  core::condition changed_;
  std::deque<std::function<void()>> waiting_ FASTPTM_GUARDED_BY(mutex_);
  bool stopping_ FASTPTM_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

} // namespace fastptm::gpu
