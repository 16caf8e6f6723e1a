// Reference counts of shards, the order of use, and the cheapest victims.
#include "policy/residency.hpp"

#include <algorithm>

#include "core/check.hpp"

namespace fastptm::policy {

fit residency::plan(model_index set, std::span<const shard_size> shards, std::vector<model_index>& victims) const {
  return plan(set, shards, victims, [](model_index, uint64_t) { return set_cost{}; });
}

fit residency::begin_plan(model_index set, std::span<const shard_size> shards, uint64_t& lacking) const {
  if (holds(set)) return fit::resident;
  uint64_t all = 0;
  for (const shard_size& s : shards) all += s.bytes;
  if (all > capacity_bytes_) return fit::too_large;
  const uint64_t missing = missing_bytes(shards);
  const uint64_t free = capacity_bytes_ - used_bytes_;
  if (missing <= free) return fit::fits;
  lacking = missing - free;
  // Shards of the new set that are there stay there, whoever else goes.
  for (const shard_size& s : shards) {
    const uint32_t at = shards_index_.find(s.shard.value);
    if (at != no_index) shards_[at].kept = true;
  }
  return fit::evicting;
}

bool residency::candidate::after(const candidate& other) const {
  if (cost.wanted != other.cost.wanted) return cost.wanted;
  if (cost.price_us != other.cost.price_us) return cost.price_us > other.cost.price_us;
  return age > other.age;
}

uint64_t residency::own_bytes(const set_entry& set) const {
  uint64_t bytes = 0;
  for (const uint32_t s : set.shards)
    if (shards_[s].sets == 1) bytes += shards_[s].bytes;
  return bytes;
}

// A heap, since only a few of many candidates go.
uint64_t residency::choose_victims(std::vector<model_index>& victims, uint64_t lacking) const {
  const auto after = [](const candidate& a, const candidate& b) { return a.after(b); };
  std::make_heap(candidates_.begin(), candidates_.end(), after);
  uint64_t gained = 0;
  while (gained < lacking && !candidates_.empty()) {
    std::pop_heap(candidates_.begin(), candidates_.end(), after);
    const set_entry& victim = sets_[candidates_.back().entry];
    candidates_.pop_back();
    victims.push_back(victim.model);
    gained += take(victim);
  }
  return gained;
}

fit residency::end_plan(std::span<const shard_size> shards, std::vector<model_index>& victims, uint64_t lacking,
                        uint64_t gained) const {
  const bool enough = gained >= lacking;
  // A victim that turned out not to be needed (its shards were shared, a later one was large) stays.
  for (size_t i = victims.size(); enough && i-- > 0;) {
    const set_entry& victim = sets_[entry_of(victims[i])];
    const uint64_t back = untake(victim);
    if (gained - back >= lacking) {
      gained -= back;
      victims.erase(victims.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      take(victim);
    }
  }
  for (const model_index v : victims)
    for (const uint32_t s : sets_[entry_of(v)].shards) shards_[s].going = 0;
  for (const shard_size& s : shards) {
    const uint32_t at = shards_index_.find(s.shard.value);
    if (at != no_index) shards_[at].kept = false;
  }
  if (!enough) victims.clear();
  return enough ? fit::evicting : fit::pinned;
}

uint64_t residency::take(const set_entry& victim) const {
  uint64_t freed = 0;
  for (const uint32_t s : victim.shards) {
    const shard_entry& shard = shards_[s];
    if (++shard.going == shard.sets && !shard.kept) freed += shard.bytes;
  }
  return freed;
}

uint64_t residency::untake(const set_entry& victim) const {
  uint64_t back = 0;
  for (const uint32_t s : victim.shards) {
    const shard_entry& shard = shards_[s];
    if (shard.going-- == shard.sets && !shard.kept) back += shard.bytes;
  }
  return back;
}

void residency::add(model_index set, std::span<const shard_size> shards) {
  core::check(!holds(set), "a set is added twice");
  uint32_t at = free_set_;
  if (at == no_index) {
    at = static_cast<uint32_t>(sets_.size());
    sets_.emplace_back();
  } else {
    free_set_ = sets_[at].next;
  }
  set_entry& entry = sets_[at];
  entry.model = set;
  entry.pins = 0;
  entry.shards.clear();
  for (const shard_size& s : shards) {
    uint32_t shard = shards_index_.find(s.shard.value);
    if (shard == no_index) {
      if (free_shards_.empty()) {
        shard = static_cast<uint32_t>(shards_.size());
        shards_.emplace_back();
        free_shards_.reserve(shards_.capacity()); // Giving one up allocates nothing.
      } else {
        shard = free_shards_.back();
        free_shards_.pop_back();
      }
      shards_[shard] = {.shard = s.shard, .bytes = s.bytes};
      shards_index_.insert(s.shard.value, shard);
      used_bytes_ += s.bytes;
    }
    ++shards_[shard].sets;
    entry.shards.push_back(shard);
  }
  core::check(used_bytes_ <= capacity_bytes_, "more resident bytes than the memory has");
  index_.insert(set.value, at);
  append(at);
  candidates_.reserve(sets_.capacity());
}

void residency::remove(model_index set) {
  const uint32_t at = entry_of(set);
  core::check(sets_[at].pins == 0, "a pinned set is removed");
  for (const uint32_t s : sets_[at].shards) {
    shard_entry& shard = shards_[s];
    if (--shard.sets > 0) continue;
    used_bytes_ -= shard.bytes;
    shards_index_.erase(shard.shard.value);
    free_shards_.push_back(s);
  }
  index_.erase(set.value);
  unlink(at);
  sets_[at].next = free_set_;
  free_set_ = at;
}

void residency::pin(model_index set) {
  ++sets_[entry_of(set)].pins;
}

void residency::unpin(model_index set) {
  uint32_t& pins = sets_[entry_of(set)].pins;
  core::check(pins > 0, "unpin of a set that is not pinned");
  --pins;
}

void residency::touch(model_index set) {
  const uint32_t at = entry_of(set);
  if (at == last_) return;
  unlink(at);
  append(at);
}

uint32_t residency::pins(model_index set) const {
  return sets_[entry_of(set)].pins;
}

uint64_t residency::missing_bytes(std::span<const shard_size> shards) const {
  uint64_t missing = 0;
  for (const shard_size& s : shards)
    if (!holds(s.shard)) missing += s.bytes;
  return missing;
}

model_index residency::next(model_index set) const {
  const uint32_t at = sets_[entry_of(set)].next;
  return at == no_index ? no_model : sets_[at].model;
}

uint32_t residency::entry_of(model_index set) const {
  const uint32_t at = index_.find(set.value);
  core::check(at != no_index, "a set that is not resident");
  return at;
}

void residency::append(uint32_t entry) {
  sets_[entry].previous = last_;
  sets_[entry].next = no_index;
  (last_ == no_index ? first_ : sets_[last_].next) = entry;
  last_ = entry;
}

void residency::unlink(uint32_t entry) {
  const set_entry& e = sets_[entry];
  (e.previous == no_index ? first_ : sets_[e.previous].next) = e.next;
  (e.next == no_index ? last_ : sets_[e.next].previous) = e.previous;
}

std::optional<size_t> victim_for_place(std::span<const held_set> held, uint64_t missing_bytes, uint64_t free_bytes) {
  if (missing_bytes > free_bytes) return std::nullopt;
  std::optional<size_t> oldest;
  for (size_t i = 0; i < held.size(); ++i)
    if (!held[i].in_use && (!oldest || held[i].last_use < held[*oldest].last_use)) oldest = i;
  return oldest;
}

} // namespace fastptm::policy
