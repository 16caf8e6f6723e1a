// A thread beside the KJ thread for work that would stop its loop: disk writes, tokenizers.
#pragma once

#include <future>
#include <thread>

#include <kj/async.h>

namespace fastptm::rpc {

// Runs one piece of work after the other. Created, used and destroyed on the KJ thread; what waits is bounded by
// whoever asks (one piece per upload, one per request in progress).
class helper_thread {
public:
  helper_thread();
  ~helper_thread(); // waits for the piece in progress
  helper_thread(const helper_thread&) = delete;
  helper_thread& operator=(const helper_thread&) = delete;

  // Runs `work` there; the promise has its result. Dropping the promise waits for a piece that already runs.
  template <class Work> auto run(Work work) { return executor_->executeAsync(kj::mv(work)); }

private:
  std::thread thread_;
  kj::Own<const kj::Executor> executor_;
  kj::Own<kj::CrossThreadPromiseFulfiller<void>> stop_;
};

} // namespace fastptm::rpc
