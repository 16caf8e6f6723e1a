// Which weight sets one memory holds, where in it, and which to give up for another: the cheapest ones first.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/slab.hpp"
#include "policy/index_map.hpp"
#include "policy/indices.hpp"

namespace fastptm::policy {

enum class fit : uint8_t {
  resident, // The set is already there.
  fits,     // Every missing shard has a place.
  evicting, // They have when the victims are given up.
  pinned,   // Would fit, but what is pinned now takes the bytes or lies in the way.
  too_large // Larger than the whole memory.
};

// What giving up a set costs. Whatever is wanted now stays before anything that is not.
struct set_cost {
  bool wanted = false; // Requests wait for it, and nobody else has it.
  double price_us = 0; // Of bringing it back times how soon that is expected.
};

// The plan of a device's room: the scheduler's picture of a device plans with it, and a load's order carries the places
// that it chose. The device has no choice left: it leases those places from a slab of the same kind (gpu/arena), so
// that it never has to refuse what was planned (docs/decisions/0007-places-are-planned.md).
//
// Sets are lists of shards, none twice in one; shards that sets share lie in the memory once. A set is pinned (by
// count) or may be a victim, never both. Every shard has its place from the first set that needs it until the last one
// has left. One thread at a time.
class residency {
public:
  explicit residency(uint64_t capacity_bytes = 0) : places_(capacity_bytes) {}

  // What making the set resident would take; changes nothing. With fit::evicting `victims` is what to remove, in that
  // order, and none of them could be left out: places count, not bytes alone. `worth(model, bytes)` says what giving up
  // a set costs that frees so many; those with the least cost per byte go first, among equals the least recently used
  // ones (Greedy-Dual-Size, Cao and Irani 1997, without its clock: the cost itself follows what is asked for).
  template <class Worth>
  fit plan(model_index set, std::span<const shard_size> shards, std::vector<model_index>& victims, Worth worth) const;
  fit plan(model_index set, std::span<const shard_size> shards, std::vector<model_index>& victims) const;

  // Requires: absent, and plan() would say fits. It is the most recently used one then, and not pinned.
  void add(model_index set, std::span<const shard_size> shards);
  // A set that the device has already, its shards at these offsets. False, and nothing has changed, where that cannot
  // be: something else lies there, or a shard that is known lies elsewhere.
  // Requires: absent, as many offsets as shards.
  bool add_at(model_index set, std::span<const shard_size> shards, std::span<const uint64_t> offsets_bytes);
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
  std::optional<uint64_t> offset_bytes(shard_index shard) const; // Nothing: no set that is held has it.
  uint64_t used_bytes() const { return places_.used_bytes(); }
  uint64_t free_bytes() const { return places_.free_bytes(); }
  uint64_t capacity_bytes() const { return places_.size_bytes(); }
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
    uint64_t offset_bytes = 0;
    uint32_t sets = 0;          // That use it.
    mutable uint32_t going = 0; // Of the plan under way: how many of those sets are to go.
    bool goes() const { return going == sets; }
  };
  struct candidate {
    set_cost cost;
    uint32_t entry = no_index;
    uint32_t age = 0;                         // Place in the order of use: 0 is the least recently used one.
    bool after(const candidate& other) const; // Is given up later.
  };
  uint32_t entry_of(model_index set) const;
  uint64_t own_bytes(const set_entry& set) const;
  fit begin_plan(model_index set, std::span<const shard_size> shards) const;
  fit end_plan(std::span<const shard_size> shards, std::vector<model_index>& victims) const;
  bool choose_victims(std::span<const shard_size> shards, std::vector<model_index>& victims) const;
  bool spare_one(std::span<const shard_size> shards, std::vector<model_index>& victims) const;
  bool has_places(std::span<const shard_size> shards) const; // In after_.
  void take(const set_entry& victim) const;                  // Its own shards leave after_, given those taken before.
  void untake(const set_entry& victim) const;                // The reverse.
  uint32_t new_set(model_index set);
  uint32_t new_shard(const shard_size& shard, uint64_t offset_bytes);
  void use_shard(set_entry& by, uint32_t shard);
  void append(uint32_t entry);
  void unlink(uint32_t entry);

  core::slab places_;
  mutable core::slab after_, trial_; // Scratch of plan(): when the victims have gone, and with the set placed there.
  std::vector<set_entry> sets_;
  mutable std::vector<candidate> candidates_; // Scratch of plan().
  index_map index_;                           // model -> sets_
  uint32_t first_ = no_index, last_ = no_index, free_set_ = no_index;
  std::vector<shard_entry> shards_;
  std::vector<uint32_t> free_shards_;
  index_map shards_index_; // shard -> shards_
};

template <class Worth>
fit residency::plan(model_index set, std::span<const shard_size> shards, std::vector<model_index>& victims,
                    Worth worth) const {
  victims.clear();
  const fit quick = begin_plan(set, shards);
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
  return end_plan(shards, victims);
}

} // namespace fastptm::policy
