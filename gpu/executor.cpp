// A bounded queue and its thread; see executor.hpp.
#include "gpu/executor.hpp"

#include <pthread.h>

#include <fmt/format.h>

namespace fastptm::gpu {

executor::executor(const std::string& name, size_t bound) : bound_(bound), thread_([this] { serve(); }) {
  pthread_setname_np(thread_.native_handle(), name.substr(0, 15).c_str());
}

executor::~executor() {
  {
    const core::mutex_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

core::result<void> executor::execute(std::function<void()> work) {
  {
    const core::mutex_lock lock(mutex_);
    if (waiting_.size() >= bound_) {
      return core::fail(core::errc::busy,
                        fmt::format("{} pieces of work wait for the device: try after one of them", bound_));
    }
    waiting_.push_back(std::move(work));
  }
  changed_.notify_one();
  return {};
}

void executor::serve() {
  core::mutex_lock lock(mutex_);
  while (true) {
    while (!stopping_ && waiting_.empty()) changed_.wait(lock);
    if (waiting_.empty()) return;
    {
      const std::function<void()> work = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      work();
    } // What the work captured dies here, outside the lock.
    lock.lock();
  }
}

} // namespace fastptm::gpu
