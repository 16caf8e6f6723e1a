// Checks resident shards again and again: memory that was right once need not stay so.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <unordered_map>
#include <vector>

#include "core/clock.hpp"
#include "core/mutex.hpp"
#include "policy/scrubbing.hpp"
#include "transport/exporter.hpp"
#include "weights/format/hash.hpp"

namespace fastptm::weights {

struct scrubber_options {
  uint64_t bytes_per_s = 0; // about 1 % of a core for 100 MB; 0: only what is suspected
};

// Reads shards by their names at the exporter, as a peer does: whoever withdraws one waits for at most one chunk. Made by
// node/, outlives the actors; must not outlive the exporter. Any thread.
class scrubber {
public:
  scrubber(const scrubber_options& options, transport::exporter& exports, const core::clock& clock);
  ~scrubber();
  scrubber(const scrubber&) = delete;
  scrubber& operator=(const scrubber&) = delete;

  // From now on until the name is withdrawn or a chunk is found different, of which `damaged` hears once, on the
  // scrubber's thread or inside check(). Requires: the region is a whole shard, verified.
  void watch(transport::exported shard, uint64_t size_bytes, std::vector<uint64_t> chunk_checksums,
             std::function<void(const wrong_chunk&)> damaged);
  // Before everything else: somebody has read something different there.
  void suspect(transport::exported shard);

  uint64_t checked_bytes() const;

  // Begins a thread that does the work with the least weight there is.
  void start();
  // One chunk, if it is time for one; when it will be for the next. What the thread does; for who has none.
  core::time_us check();

private:
  struct watched {
    transport::exported name;
    uint64_t size_bytes = 0;
    std::vector<uint64_t> chunk_checksums;
    std::function<void(const wrong_chunk&)> damaged;
  };
  void run();
  std::optional<uint64_t> checksum_of(const watched& shard, uint32_t chunk) const;

  transport::exporter& exports_;
  const core::clock& clock_;
  // Of what is watched; never held while bytes are read or somebody is told. The region is the shard's number.
  mutable core::mutex mutex_;
  core::condition changed_;
  policy::scrubbing plan_ FASTPTM_GUARDED_BY(mutex_);
  std::unordered_map<uint64_t, std::shared_ptr<const watched>> watched_ FASTPTM_GUARDED_BY(mutex_);
  uint64_t checked_bytes_ FASTPTM_GUARDED_BY(mutex_) = 0;
  bool stopping_ FASTPTM_GUARDED_BY(mutex_) = false;
  std::thread thread_; // last: uses the others
};

} // namespace fastptm::weights
