// Reads shards from disk with io_uring and O_DIRECT, several chunks in flight, each verified as it lands.
//
// What it has read before it looks at once more when it is asked to.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/memory_region.hpp"
#include "core/mutex.hpp"
#include "weights/store/object_reader.hpp"

namespace fastptm::weights {

struct disk_reader_options {
  unsigned reads_in_flight = 8; // of 4 MiB: enough to keep a virtual disk or an NVMe busy
  size_t queued_shards = 1024;  // beyond it submit() answers busy
};

// One thread of its own; any thread may submit.
class disk_reader final : public object_reader {
public:
  explicit disk_reader(disk_reader_options bounds = {});
  ~disk_reader() override; // finishes what is being read, fails the rest as cancelled

  disk_reader(const disk_reader&) = delete;
  disk_reader& operator=(const disk_reader&) = delete;

  // `done` is called on the reader's thread.
  core::result<void> submit(disk_read what, std::function<void(disk_read_result)> done) override;
  core::result<void> check_again(core::memory_region target, std::vector<uint64_t> chunk_checksums,
                                 std::function<void(disk_read_result)> done) override;

  // "io_uring", or "pread" where the kernel or a container refuses io_uring.
  std::string_view path() const override;

private:
  class ring;
  struct job;

  core::result<void> queue(std::shared_ptr<job> made);
  void run();
  void read_blocking(job& what);
  std::shared_ptr<job> take_job(bool may_wait);

  const disk_reader_options bounds_;
  std::unique_ptr<ring> ring_; // used by the reader's thread; null: pread
  // The queue between the store and the reader's thread.
  mutable core::mutex mutex_;
  core::condition arrived_;
  std::deque<std::shared_ptr<job>> jobs_ FASTPTM_GUARDED_BY(mutex_);
  bool stopping_ FASTPTM_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

} // namespace fastptm::weights
