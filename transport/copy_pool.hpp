// A few threads that copy: between mappings and from other processes.
// Shared by the backends of a node; nicer to other threads than those that compute.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include "core/mutex.hpp"

namespace fastptm::transport {

// Has `fill(offset, length)` fill the target piece by piece and returns the checksum of what it holds then; each piece
// is read while it is in the cache. Nothing when a fill failed.
// Given by node/: what a checksum is, is not transport's business.
using checksummed_fill = std::optional<uint64_t> (*)(std::byte* target, uint64_t size_bytes, uint64_t piece_bytes,
                                                     const std::function<bool(uint64_t, uint64_t)>& fill);

// Any thread may submit. The queue is bounded by its users: every backend bounds its fetches in flight.
class copy_pool {
public:
  // `on_thread_start` runs first on every thread; may be empty.
  explicit copy_pool(unsigned threads, const std::function<void()>& on_thread_start = {});
  ~copy_pool(); // carries out what was submitted

  copy_pool(const copy_pool&) = delete;
  copy_pool& operator=(const copy_pool&) = delete;

  void submit(std::function<void()> work);

private:
  void run();

  core::mutex mutex_; // the queue between the backends and the threads
  core::condition arrived_;
  std::deque<std::function<void()>> queue_ FASTPTM_GUARDED_BY(mutex_);
  bool stopping_ FASTPTM_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

} // namespace fastptm::transport
