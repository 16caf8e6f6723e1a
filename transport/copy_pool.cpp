// A queue and its threads.
#include "transport/copy_pool.hpp"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/check.hpp"

namespace fastptm::transport {

namespace {

// Where processors are scarce, a batch that computes goes before bytes that are needed later: a tenth of its weight.
constexpr int copy_niceness = 10;

void yield_to_others() {
  // Of this thread alone, on Linux. A process that is nicer already stays so.
  if (const int now = ::getpriority(PRIO_PROCESS, 0); now < copy_niceness)
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), copy_niceness);
}

} // namespace

copy_pool::copy_pool(unsigned threads, const std::function<void()>& on_thread_start) {
  core::check(threads > 0, "a copy pool has threads");
  for (unsigned i = 0; i < threads; ++i) {
    threads_.emplace_back([this, on_thread_start] {
      yield_to_others();
      if (on_thread_start) on_thread_start();
      run();
    });
    pthread_setname_np(threads_.back().native_handle(), "copy");
  }
}

copy_pool::~copy_pool() {
  {
    core::mutex_lock lock(mutex_);
    stopping_ = true;
  }
  arrived_.notify_all();
  for (auto& one : threads_) one.join();
}

void copy_pool::submit(std::function<void()> work) {
  {
    core::mutex_lock lock(mutex_);
    queue_.push_back(std::move(work));
  }
  arrived_.notify_one();
}

void copy_pool::run() {
  core::mutex_lock lock(mutex_);
  for (;;) {
    while (!stopping_ && queue_.empty()) arrived_.wait(lock);
    if (queue_.empty()) return;
    auto work = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    work();
    work = {}; // what it keeps alive ends here, not under the lock
    lock.lock();
  }
}

} // namespace fastptm::transport
