// One thread of a device's own that runs accepted work in order.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "core/error.hpp"

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
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  bool stopping_ = false;
  std::thread thread_;
};

} // namespace fastptm::gpu
