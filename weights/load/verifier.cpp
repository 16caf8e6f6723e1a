// A queue and a few threads.
#include "weights/load/verifier.hpp"

#include <pthread.h>

#include "weights/format/hash.hpp"

namespace fastptm::weights {

verifier::verifier(unsigned threads) {
  for (unsigned i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { run(); });
    pthread_setname_np(threads_.back().native_handle(), "verifier");
  }
}

verifier::~verifier() {
  {
    core::mutex_lock lock(mutex_);
    stopping_ = true;
  }
  arrived_.notify_all();
  for (auto& one : threads_) one.join();
}

uint64_t verifier::job::carry_out() const {
  return from == nullptr ? chunk_checksum(chunk.address, chunk.size_bytes)
                         : copy_and_checksum(chunk.address, from, chunk.size_bytes);
}

void verifier::submit(core::memory_region chunk, std::function<void(uint64_t checksum)> done) {
  post({chunk, nullptr, std::move(done)});
}

void verifier::submit_copy(core::memory_region chunk, const std::byte* from,
                           std::function<void(uint64_t checksum)> done) {
  post({chunk, from, std::move(done)});
}

void verifier::post(job what) {
  if (threads_.empty()) return what.done(what.carry_out());
  {
    core::mutex_lock lock(mutex_);
    jobs_.push_back(std::move(what));
  }
  arrived_.notify_one();
}

void verifier::run() {
  core::mutex_lock lock(mutex_);
  for (;;) {
    while (!stopping_ && jobs_.empty()) arrived_.wait(lock);
    if (jobs_.empty()) return;
    auto what = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    what.done(what.carry_out());
    what.done = {}; // what it keeps alive ends here, not under the lock
    lock.lock();
  }
}

} // namespace fastptm::weights
