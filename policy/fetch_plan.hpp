// Decides which chunk of a load is taken from which source next. Pure: no clock, no I/O, no threads.
//
// One queue of chunks in layer order; every source has a window. A chunk goes to the holder that would have it first
// (bytes queued there over its rate); if that holder's window is full the chunk waits. A source that fails, or lies
// once, gets nothing more in this load;
// its chunks go back to the queue when their fetches have completed, finished ones stay.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/clock.hpp"
#include "policy/sourcing.hpp"

namespace fastptm::policy {

struct fetch_plan_options {
  uint64_t chunk_bytes = 4ull << 20;
  uint32_t window_chunks = 4;                 // in flight per source: flat from 4 on, and bounds what a death costs
  uint32_t unverified_chunks = 32;            // landed but not yet verified: beyond it fetching waits for verification
  core::duration_us late_us = 250'000;        // a chunk is late after max(late_us, late_factor x expected)
  core::duration_us lone_late_us = 2'000'000; // instead of late_us where nobody else could deliver it
  uint32_t late_factor = 8;
};

// One chunk from one source. Valid until its completion was reported.
struct chunk_fetch {
  uint32_t shard = 0; // position in the list given to the plan
  uint32_t chunk = 0; // of the shard
  uint32_t source = 0;
  uint64_t offset_bytes = 0; // in the shard
  uint64_t length_bytes = 0;
  core::duration_us timeout_us = 0;
};

enum class fetch_failure : uint8_t {
  source, // the source is dead, hung or late: nothing more from it
  range,  // it no longer has this shard, other shards of it stay usable
  retry   // nobody's fault (cancelled, busy): the chunk goes back, the source stays
};

class fetch_plan {
public:
  fetch_plan(const fetch_plan_options& options, std::span<const uint64_t> shard_sizes_bytes);

  // -- sources --------------------------------------------------------------------------------------------------------

  // Sources are numbered from 0 in the order of this call. rate_bps 0: assumed by kind.
  uint32_t add_source(source_kind kind, uint64_t rate_bps);
  void add_holding(uint32_t source, uint32_t shard);
  // Nothing more is asked from it. What is in flight from it completes by on_landed or on_failed like everything else.
  void lose_source(uint32_t source);
  // A source that was only late may be asked again, with more patience than the first time.
  void give_second_chance(uint32_t source);
  bool is_lost(uint32_t source) const { return sources_[source].lost; }

  // -- driving --------------------------------------------------------------------------------------------------------

  // The next chunk to ask for, which then counts as in flight; nothing when all windows are full or no holder is left.
  std::optional<chunk_fetch> next(core::time_us now);
  void on_landed(const chunk_fetch& fetch, core::time_us now);
  void on_failed(const chunk_fetch& fetch, fetch_failure failure, core::time_us now);
  // The checksum of a landed chunk was right. True: it was the last one of its shard.
  bool on_verified(const chunk_fetch& fetch);
  // It was wrong: the source is quarantined, the chunk goes back to the queue.
  void on_bad(const chunk_fetch& fetch);

  // -- state ----------------------------------------------------------------------------------------------------------

  bool done() const { return verified_chunks_ == chunks_.size(); }
  uint32_t in_flight() const { return in_flight_; }
  // Shards with chunks that nobody fetches and no usable source holds: more sources are needed.
  std::vector<uint32_t> starved_shards() const;
  bool shard_done(uint32_t shard) const { return shards_[shard].verified == shards_[shard].chunks; }
  uint64_t rate_bps(uint32_t source) const { return sources_[source].rate_bps; }

private:
  enum class chunk_state : uint8_t { waiting, fetching, landed, verified };

  struct source_state {
    source_kind kind{};
    bool lost = false;
    bool late_before = false;
    uint64_t rate_bps = 0;
    uint64_t queued_bytes = 0;
    uint32_t queued_chunks = 0;
    core::time_us busy_since_us = 0; // when its window last became non-empty, or its last chunk landed
    std::vector<bool> holds;
  };
  struct shard_state {
    uint64_t size_bytes = 0;
    uint32_t first = 0; // of its chunks in chunks_
    uint32_t chunks = 0;
    uint32_t verified = 0;
    uint32_t waiting = 0;
  };

  uint64_t length_of(uint32_t shard, uint32_t chunk) const;
  std::optional<uint32_t> best_holder(uint32_t shard, uint64_t length_bytes) const;
  core::duration_us patience_us(uint32_t shard, uint32_t source) const;
  chunk_fetch take(uint32_t shard, uint32_t chunk, uint32_t source, core::time_us now);
  void leave_window(const chunk_fetch& fetch);
  void put_back(const chunk_fetch& fetch);
  void measure(source_state& source, uint64_t bytes, core::time_us now);

  const fetch_plan_options options_;
  std::vector<source_state> sources_;
  std::vector<shard_state> shards_;
  std::vector<chunk_state> chunks_;
  uint32_t in_flight_ = 0;
  uint32_t unverified_ = 0;
  size_t verified_chunks_ = 0;
};

} // namespace fastptm::policy
