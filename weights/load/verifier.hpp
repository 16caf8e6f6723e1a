// Computes the checksums of landed chunks on threads of its own, so that neither the pump nor an actor waits for them.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "core/memory_region.hpp"
#include "core/mutex.hpp"

namespace fastptm::weights {

// Made by node/, outlives the loaders that use it. Any thread may submit.
class verifier {
public:
  // `threads` 0: no thread at all, submit() computes and answers before it returns (simulation).
  explicit verifier(unsigned threads);
  virtual ~verifier(); // finishes what was submitted
  verifier(const verifier&) = delete;
  verifier& operator=(const verifier&) = delete;

  // `done` gets chunk_checksum(chunk), on a thread of the verifier; it must not block. The memory stays valid until
  // then. The queue is bounded by its users: a fetch_plan lets few chunks be unverified.
  virtual void submit(core::memory_region chunk, std::function<void(uint64_t checksum)> done);
  // The same of a chunk that lies elsewhere and is copied to its place.
  virtual void submit_copy(core::memory_region chunk, const std::byte* from,
                           std::function<void(uint64_t checksum)> done);

  unsigned threads() const { return static_cast<unsigned>(threads_.size()); }

private:
  struct job {
    core::memory_region chunk;
    const std::byte* from = nullptr; // null: it is in its place
    std::function<void(uint64_t)> done;

    uint64_t carry_out() const;
  };
  void post(job what);
  void run();

  // The queue between the pump and the threads.
  core::mutex mutex_;
  core::condition arrived_;
  std::deque<job> jobs_ FASTPTM_GUARDED_BY(mutex_);
  bool stopping_ FASTPTM_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

} // namespace fastptm::weights
