// Work that foreign threads leave for the KJ thread: one wake-up for everything that arrives while it sleeps.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include <kj/async-unix.h>

#include "core/mutex.hpp"

namespace fastptm::rpc {

// The end that foreign threads hold; it outlives the KJ thread's end, and drops what comes after that.
// A cross-thread fulfiller of KJ's own would cost a system call for every answer.
class inbox {
public:
  inbox();
  ~inbox();
  inbox(const inbox&) = delete;
  inbox& operator=(const inbox&) = delete;

  // Any thread. Bounded by whoever expects an answer.
  void push(std::function<void()> work);

private:
  friend class inbox_reader;
  std::vector<std::function<void()>> take();
  void close();

  const int wake_file_;
  core::mutex mutex_; // between the actors' threads and the KJ thread; no call-out under it
  std::vector<std::function<void()>> work_ FASTPTM_GUARDED_BY(mutex_);
  bool open_ FASTPTM_GUARDED_BY(mutex_) = true;
};

// The KJ thread's end: runs the work in its order, each piece on that thread.
class inbox_reader {
public:
  inbox_reader(kj::UnixEventPort& port, std::shared_ptr<inbox> from);
  ~inbox_reader();
  inbox_reader(const inbox_reader&) = delete;
  inbox_reader& operator=(const inbox_reader&) = delete;

private:
  kj::Promise<void> run();

  const std::shared_ptr<inbox> from_;
  kj::UnixEventPort::FdObserver observer_;
  kj::Promise<void> running_;
};

} // namespace fastptm::rpc
