// Which weight sets one memory of a given size holds, and which to give up for another: the cheapest ones first.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "policy/index_map.hpp"
#include "policy/indices.hpp"

namespace fastptm::policy {

enum class fit : uint8_t {
  resident, // The set is already there.
  fits,     // Enough free bytes.
  evicting, // Fits when the victims are given up.
  pinned,   // Would fit, but too much is pinned now.
  too_large // Larger than the whole memory.
};

// What giving up a set costs. Whatever is wanted now stays before anything that is not.
struct set_cost {
  bool wanted = false; // Requests wait for it, and nobody else has it.
  double price_us = 0; // Of bringing it back times how soon that is expected.
};

// Sets are lists of shards; shards that sets share count once. A set is pinned (by count) or may be a victim, never
// both. The scheduler's picture of a device; the device gives up what it is told to, and by itself only what
// victim_for_place() says. One thread at a time.
class residency {
public:
  explicit residency(uint64_t capacity_bytes = 0) : capacity_bytes_(capacity_bytes) {}

  // What making the set resident would take; changes nothing. With fit::evicting `victims` is what to remove, in that
  // order, and no victim could be left out. `worth(model, bytes)` says what giving up a set costs that frees so
  // many; those with the least cost per byte go first, among equals the least recently used ones (Greedy-Dual-Size, Cao
  // and Irani 1997, without its clock: the cost itself follows what is asked for).
  template <class Worth>
  fit plan(model_index set, std::span<const shard_size> shards, std::vector<model_index>& victims, Worth worth) const;
  fit plan(model_index set, std::span<const shard_size> shards, std::vector<model_index>& victims) const;

  // Requires: absent, and plan() would say fits. It is the most recently used one then, and not pinned.
  void add(model_index set, std::span<const shard_size> shards);
  // Requires: present and not pinned.
  void remove(model_index set);
  void pin(model_index set);
  void unpin(model_index set);
  void touch(model_index set); // Most recently used from now on.

  bool holds(model_index set) const { return index_.find(set.value) != no_index; }
  bool holds(shard_index shard) const { return shards_index_.find(shard.value) != no_index; }
  uint32_t pins(model_index set) const;
  uint64_t missing_bytes(std::span<const shard_size> shards) const;
  uint64_t own_bytes(model_index set) const { return own_bytes(sets_[entry_of(set)]); } // That no other set here uses.
  uint64_t used_bytes() const { return used_bytes_; }
  uint64_t capacity_bytes() const { return capacity_bytes_; }
  uint32_t set_count() const { return index_.size(); }
  // Least recently used first; no_model ends.
  model_index oldest() const { return first_ == no_index ? no_model : sets_[first_].model; }
  model_index next(model_index set) const;

private:
  struct set_entry {
    model_index model;
    uint32_t pins = 0;
    uint32_t previous = no_index, next = no_index; // Least recently used first; `next` also links free entries.
    std::vector<uint32_t> shards;                  // Into shards_; keeps its memory when the entry is used again.
  };
  struct shard_entry {
    shard_index shard;
    uint64_t bytes = 0;
    uint32_t sets = 0; // That use it.
    // Of the plan under way: how many of those sets are to go, or that the new set needs it.
    mutable uint32_t going = 0;
    mutable bool kept = false;
  };
  struct candidate {
    set_cost cost;
    uint32_t entry = no_index;
    uint32_t age = 0;                         // Place in the order of use: 0 is the least recently used one.
    bool after(const candidate& other) const; // Is given up later.
  };
  uint32_t entry_of(model_index set) const;
  uint64_t own_bytes(const set_entry& set) const;
  uint64_t choose_victims(std::vector<model_index>& victims, uint64_t lacking) const;
  uint64_t take(const set_entry& victim) const;   // Bytes that become free with it, given those taken before.
  uint64_t untake(const set_entry& victim) const; // The reverse.
  fit begin_plan(model_index set, std::span<const shard_size> shards, uint64_t& lacking) const;
  fit end_plan(std::span<const shard_size> shards, std::vector<model_index>& victims, uint64_t lacking,
               uint64_t gained) const;
  void append(uint32_t entry);
  void unlink(uint32_t entry);

  uint64_t capacity_bytes_ = 0;
  uint64_t used_bytes_ = 0;
  std::vector<set_entry> sets_;
  mutable std::vector<candidate> candidates_; // Scratch of plan().
  index_map index_;                           // model -> sets_
  uint32_t first_ = no_index, last_ = no_index, free_set_ = no_index;
  std::vector<shard_entry> shards_;
  std::vector<uint32_t> free_shards_;
  index_map shards_index_; // shard -> shards_
};

// A set as the device itself knows it.
struct held_set {
  uint64_t last_use = 0; // greater: later
  bool in_use = false;   // being loaded, or a batch runs on it
};

// Bytes are counted, places are not: a load that fits may find the free bytes scattered. Which of the held sets to give
// up for place then: the least recently used one that is idle. Nothing when there is none, or when bytes are missing
// too, which is for the scheduler to mend.
std::optional<size_t> victim_for_place(std::span<const held_set> held, uint64_t missing_bytes, uint64_t free_bytes);

template <class Worth>
fit residency::plan(model_index set, std::span<const shard_size> shards, std::vector<model_index>& victims,
                    Worth worth) const {
  uint64_t lacking = 0;
  victims.clear();
  const fit quick = begin_plan(set, shards, lacking);
  if (quick != fit::evicting) return quick;
  candidates_.clear();
  uint32_t age = 0;
  for (uint32_t e = first_; e != no_index; e = sets_[e].next, ++age) {
    if (sets_[e].pins > 0) continue;
    const uint64_t bytes = own_bytes(sets_[e]);
    set_cost cost = worth(sets_[e].model, bytes);
    cost.price_us /= static_cast<double>(std::max<uint64_t>(1, bytes));
    candidates_.push_back({cost, e, age});
  }
  return end_plan(shards, victims, lacking, choose_victims(victims, lacking));
}

} // namespace fastptm::policy
