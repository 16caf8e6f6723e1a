// The shards of a host's store that are in memory: one mappable slab, least recently used goes first.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/clock.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/mutex.hpp"
#include "core/slab.hpp"
#include "transport/sealed_memory.hpp"
#include "weights/store/object_reader.hpp"

namespace fastptm::weights {

class host_cache;

// While it lives, the shard stays where it is. Move-only; any thread; must not outlive the cache.
class cache_lease {
public:
  cache_lease() = default;
  cache_lease(cache_lease&& other) noexcept
      : cache_(std::exchange(other.cache_, nullptr)), shard_(other.shard_), offset_bytes_(other.offset_bytes_) {}
  cache_lease& operator=(cache_lease&& other) noexcept;
  ~cache_lease() { release(); }
  void release();
  uint64_t offset_bytes() const { return offset_bytes_; } // in the slab: tells copies of one shard apart

private:
  friend class host_cache;
  cache_lease(host_cache* cache, const core::digest& shard, uint64_t offset_bytes)
      : cache_(cache), shard_(shard), offset_bytes_(offset_bytes) {}
  host_cache* cache_ = nullptr;
  core::digest shard_;
  uint64_t offset_bytes_ = 0;
};

struct stage_request {
  core::digest shard;
  uint64_t size_bytes = 0; // a multiple of 4 KiB
  std::vector<uint64_t> chunk_checksums;
  std::filesystem::path file; // its object
};

// The first chunks of a shard that is being read: in the slab and verified.
struct staged_part {
  uint64_t offset_bytes = 0; // in the slab
  uint32_t chunks = 0;
};

struct staged {
  core::result<void> outcome; // corrupt: the object is damaged, nothing is cached. does_not_fit: larger than the slab.
                              // busy: everything else is leased, try again later
  cache_lease lease;          // also of a failure, where a part was told before: it stays there for as long
  uint64_t offset_bytes = 0;  // in the slab
  bool from_disk = false;     // false: it was cached already
  uint32_t bad_chunks = 0;
  core::time_us start_us = 0; // of the read, where there was one
  core::time_us end_us = 0;
};

// What looking at bytes of the store has shown.
struct cache_finding {
  enum class kind : uint8_t {
    damaged_object, // on the disk: nothing was cached. Also one that is not there
    damaged_copy,   // in the cache: nobody gets it any more, and the next staging reads the disk
    good_copy       // in the cache, and somebody had doubts
  };
  kind what{};
  core::digest shard;
  std::string text; // which bytes
};

// Every shard is in entries_ and in recency_, and its bytes are taken in places_, from its first stage until it is
// forgotten; what is being read, looked at or leased is never forgotten. A copy that was found damaged while it was
// leased is none of them: it lies in condemned_ until its last lease ends. Any thread; callbacks run inside stage() for
// what is cached or refused, else on the disk reader's thread.
class host_cache {
public:
  ~host_cache();
  // The reader outlives the cache's last staging; destroy the reader first, then the cache. The first 64 MiB are there
  // when it returns, the rest comes on a thread of its own: a GiB takes up to three seconds.
  static core::result<std::unique_ptr<host_cache>> create(uint64_t size_bytes, object_reader& disk);

  // Several stagings of one shard share one read. `progress` comes before `done`, on the disk reader's thread, as the
  // shard's first chunks do: with the next of them, for whoever comes while it is being read.
  void stage(stage_request request, std::function<void(staged)> done, std::function<void(staged_part)> progress = {});

  // Called after every step by which the slab has grown, until it is all there; on a thread of its own.
  void when_grown(std::function<void()> grown);

  // Looks at the copy at this offset once more, on the disk reader's thread; whoever stages the shard meanwhile waits for
  // the outcome, and gets another copy if this one is damaged. Nothing, where there is none any more or it is being
  // looked at already.
  void check_again(const core::digest& shard, uint64_t offset_bytes);
  // Called with every finding, once for all who wait for it; on the disk reader's thread.
  void when_found(std::function<void(cache_finding)> found);

  // Forgets every shard that nobody leases; returns how many bytes that freed.
  uint64_t drop_unleased();
  // Forgets a shard that no model needs any more: now, or with its last lease unless it is staged again before.
  void forget_unneeded(const core::digest& shard);

  // The slab, to be exported once; offsets of staged shards count from its start.
  transport::exportable slab() const { return memory_.to_export(); }

  // How its reader reads: see object_reader::path().
  std::string_view disk_path() const { return disk_.path(); }

  uint64_t size_bytes() const { return memory_.region().size_bytes; }
  uint64_t used_bytes() const;
  uint64_t present_bytes() const;              // from the slab's start: what has come into memory
  bool holds(const core::digest& shard) const; // cached and verified

private:
  friend class cache_lease;
  struct waiter {
    std::function<void(staged)> done;
    std::function<void(staged_part)> progress;
  };
  using waiters = std::vector<std::shared_ptr<const waiter>>;
  enum class state : uint8_t { reading, checking, verified };
  struct cached_shard {
    stage_request what; // as it was staged, to be looked at and read again
    uint64_t offset_bytes = 0;
    uint32_t leases = 0;
    state at = state::reading;
    bool unneeded = false;                   // goes with its last lease
    bool is_partly_told = false;             // those who wait may be reading its first chunks
    waiters waiting;                         // until it is verified
    std::list<core::digest>::iterator place; // in recency_
    bool is_idle() const { return leases == 0 && at == state::verified; }
  };
  struct condemned_copy {
    uint64_t size_bytes = 0;
    uint32_t leases = 0;
  };

  host_cache(transport::sealed_memory memory, uint64_t present_bytes, object_reader& disk);
  void grow();
  bool add_step();
  void release(const core::digest& shard, uint64_t offset_bytes);
  core::result<uint64_t> make_room(uint64_t size_bytes) FASTPTM_REQUIRES(mutex_);
  void forget(const core::digest& shard) FASTPTM_REQUIRES(mutex_);
  void condemn(const core::digest& shard) FASTPTM_REQUIRES(mutex_);
  void on_part(const core::digest& shard, uint32_t chunks);
  void on_read(const core::digest& shard, disk_read_result result);
  void on_checked(const core::digest& shard, const disk_read_result& result);
  void hand_out(const core::digest& shard, uint64_t offset_bytes, const waiters& to, const disk_read_result* read,
                bool is_partly_told = false);
  static bool is_leased(const waiter& one, bool is_good, bool is_partly_told);
  void tell(cache_finding finding);

  transport::sealed_memory memory_;
  object_reader& disk_;

  // The store actor stages, the disk thread finishes, leases end anywhere: table updates only, never a call-out.
  mutable core::mutex mutex_;
  std::unordered_map<core::digest, cached_shard> entries_ FASTPTM_GUARDED_BY(mutex_);
  std::unordered_map<uint64_t, condemned_copy> condemned_ FASTPTM_GUARDED_BY(mutex_); // by offset
  std::list<core::digest> recency_ FASTPTM_GUARDED_BY(mutex_);                        // least recently used first
  core::slab places_ FASTPTM_GUARDED_BY(mutex_);                                      // of what has come into memory
  bool growing_ FASTPTM_GUARDED_BY(mutex_) = false; // until all is present, or no more can be had
  bool in_need_ FASTPTM_GUARDED_BY(mutex_) = false; // a staging found no room
  bool stopping_ FASTPTM_GUARDED_BY(mutex_) = false;
  std::function<void()> grown_ FASTPTM_GUARDED_BY(mutex_);
  std::function<void(cache_finding)> found_ FASTPTM_GUARDED_BY(mutex_);
  core::condition grow_now_; // in_need_ or stopping_
  std::thread grower_;       // last: uses the others
};

} // namespace fastptm::weights
