// In which order and how fast memory that was verified once is checked again. Pure: time is given.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <unordered_map>

#include "core/clock.hpp"

namespace fastptm::policy {

struct scrubbing_options {
  uint64_t bytes_per_s = 0; // 0: nothing is checked unless it is suspected
  uint64_t chunk_bytes = 0;
  core::duration_us round_us = 5'000'000;           // rounds begin no faster: little memory costs little
  core::duration_us longest_round_us = 600'000'000; // much memory is checked faster than bytes_per_s, to keep to it
};

// Rounds over all shards, chunk by chunk, evenly. A byte is looked at again after max(round_us, bytes / bytes_per_s),
// at most longest_round_us; a suspected shard before all others and at once. Shards have the numbers of their owner.
class scrubbing {
public:
  struct step {
    uint64_t shard = 0;
    uint32_t chunk = 0;
  };

  explicit scrubbing(const scrubbing_options& options) : options_(options) {}

  void add(uint64_t shard, uint64_t size_bytes);
  void remove(uint64_t shard); // unknown: nothing
  // The same of the one that next() has just named: nothing was read, and the next one need not wait for that.
  void gone(uint64_t shard);
  void suspect(uint64_t shard);

  // What is to be checked now, if anything is; counts as checked.
  std::optional<step> next(core::time_us now);
  // When there will be something: never before then.
  core::time_us next_us() const;

private:
  struct entry {
    uint64_t shard = 0;
    uint64_t size_bytes = 0;
    uint32_t chunks = 0;
    uint32_t next_chunk = 0;
    uint64_t round = 0; // in which it was last checked, or added
    bool is_suspected = false;
  };
  uint64_t rate_bps() const;
  std::list<entry>& list_of(const entry& one);
  step take(std::list<entry>& from);

  const scrubbing_options options_;
  std::list<entry> waiting_;                                        // of this round; the first is begun
  std::list<entry> checked_;                                        // in this round
  std::list<entry> suspected_;                                      // before the round goes on
  std::unordered_map<uint64_t, std::list<entry>::iterator> places_; // by shard, in whichever list
  uint64_t bytes_ = 0;
  uint64_t round_ = 0;
  core::time_us due_us_ = 0, due_before_us_ = 0, round_began_us_ = 0;
};

} // namespace fastptm::policy
