// A mutex and its lock as clang checks them: which fields it guards is written at the fields.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

// Words for declarations. Only clang reads them: https://clang.llvm.org/docs/ThreadSafetyAnalysis.html
#if defined(__clang__)
#define FASTPTM_THREAD_SAFETY(attribute) __attribute__((attribute))
#else
#define FASTPTM_THREAD_SAFETY(attribute)
#endif

// Of a field: read and written only while the mutex is held.
#define FASTPTM_GUARDED_BY(mutex) FASTPTM_THREAD_SAFETY(guarded_by(mutex))
// Of a function: called with the mutex held, and it still is afterwards.
#define FASTPTM_REQUIRES(mutex) FASTPTM_THREAD_SAFETY(requires_capability(mutex))

namespace fastptm::core {

// std::mutex; used through mutex_lock.
class FASTPTM_THREAD_SAFETY(capability("mutex")) mutex {
private:
  friend class mutex_lock;
  std::mutex mutex_;
};

// Holds a mutex to the end of its scope. Call-outs that must not happen under it stand between unlock() and lock(), or
// behind an inner scope.
class FASTPTM_THREAD_SAFETY(scoped_lockable) mutex_lock {
public:
  explicit mutex_lock(mutex& held) FASTPTM_THREAD_SAFETY(acquire_capability(held)) : lock_(held.mutex_) {}
  ~mutex_lock() FASTPTM_THREAD_SAFETY(release_capability()) {}
  mutex_lock(const mutex_lock&) = delete;
  mutex_lock& operator=(const mutex_lock&) = delete;

  void unlock() FASTPTM_THREAD_SAFETY(release_capability()) { lock_.unlock(); }
  void lock() FASTPTM_THREAD_SAFETY(acquire_capability()) { lock_.lock(); }

private:
  friend class condition;
  std::unique_lock<std::mutex> lock_;
};

// std::condition_variable. Conditions are loops of the caller's, so that the reads in them are checked:
// `while (!done_) changed_.wait(lock);`
class condition {
public:
  void wait(mutex_lock& lock) { changed_.wait(lock.lock_); }

  // False: the time has come. The condition may hold all the same.
  template <class Clock, class Duration>
  bool wait_until(mutex_lock& lock, const std::chrono::time_point<Clock, Duration>& end) {
    return changed_.wait_until(lock.lock_, end) == std::cv_status::no_timeout;
  }
  template <class Rep, class Period> bool wait_for(mutex_lock& lock, const std::chrono::duration<Rep, Period>& most) {
    return changed_.wait_for(lock.lock_, most) == std::cv_status::no_timeout;
  }

  void notify_one() { changed_.notify_one(); }
  void notify_all() { changed_.notify_all(); }

private:
  std::condition_variable changed_;
};

} // namespace fastptm::core
