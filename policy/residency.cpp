// Shards counted and placed, the order of use, and the cheapest victims.
#include "policy/residency.hpp"

#include <algorithm>

#include "core/check.hpp"

namespace fastptm::policy {

fit residency::plan(model_index set, std::span<const shard_size> shards, std::vector<model_index>& victims) const {
  return plan(set, shards, victims, [](model_index, uint64_t) { return set_cost{}; });
}

fit residency::begin_plan(model_index set, std::span<const shard_size> shards) const {
  if (holds(set)) return fit::resident;
  uint64_t all = 0;
  for (const shard_size& s : shards) all += s.bytes;
  if (all > capacity_bytes()) return fit::too_large;
  if (missing_bytes(shards) <= places_.largest_free_bytes()) return fit::fits; // See has_places().
  after_ = places_;
  return has_places(shards) ? fit::fits : fit::evicting;
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
bool residency::choose_victims(std::span<const shard_size> shards, std::vector<model_index>& victims) const {
  const auto after = [](const candidate& a, const candidate& b) { return a.after(b); };
  std::make_heap(candidates_.begin(), candidates_.end(), after);
  while (!candidates_.empty()) {
    std::pop_heap(candidates_.begin(), candidates_.end(), after);
    const set_entry& victim = sets_[candidates_.back().entry];
    candidates_.pop_back();
    victims.push_back(victim.model);
    take(victim);
    if (has_places(shards)) return true;
  }
  return false;
}

fit residency::end_plan(std::span<const shard_size> shards, std::vector<model_index>& victims) const {
  const bool enough = choose_victims(shards, victims);
  while (enough && spare_one(shards, victims)) {
  }
  for (const model_index v : victims)
    for (const uint32_t s : sets_[entry_of(v)].shards) shards_[s].going = 0;
  if (!enough) victims.clear();
  return enough ? fit::evicting : fit::pinned;
}

// A victim that turned out not to be needed (its shards were shared, a later one was large or lay better) stays. The
// last one first, and all over again: with another hole less, best fit may do without one that it needed before.
bool residency::spare_one(std::span<const shard_size> shards, std::vector<model_index>& victims) const {
  for (size_t i = victims.size(); i-- > 0;) {
    const set_entry& victim = sets_[entry_of(victims[i])];
    untake(victim);
    if (has_places(shards)) {
      victims.erase(victims.begin() + static_cast<std::ptrdiff_t>(i));
      return true;
    }
    take(victim);
  }
  return false;
}

// One by one where add() would put them. One free range for all of them is enough: whatever lies elsewhere leaves it
// more than what is still to come.
bool residency::has_places(std::span<const shard_size> shards) const {
  const auto is_missing = [this](const shard_size& s) {
    const uint32_t at = shards_index_.find(s.shard.value);
    return at == no_index || shards_[at].goes();
  };
  uint64_t missing = 0;
  for (const shard_size& s : shards) missing += is_missing(s) ? s.bytes : 0;
  if (missing <= after_.largest_free_bytes()) return true;
  if (missing > after_.free_bytes()) return false;
  trial_ = after_;
  return std::all_of(shards.begin(), shards.end(),
                     [&](const shard_size& s) { return !is_missing(s) || trial_.take(s.bytes).has_value(); });
}

void residency::take(const set_entry& victim) const {
  for (const uint32_t s : victim.shards) {
    const shard_entry& shard = shards_[s];
    ++shard.going;
    if (shard.goes()) after_.give_back(shard.offset_bytes, shard.bytes);
  }
}

void residency::untake(const set_entry& victim) const {
  for (const uint32_t s : victim.shards) {
    const shard_entry& shard = shards_[s];
    if (shard.goes()) core::check(after_.take_at(shard.offset_bytes, shard.bytes), "a shard stays where it was");
    --shard.going;
  }
}

void residency::add(model_index set, std::span<const shard_size> shards) {
  const uint32_t at = new_set(set);
  for (const shard_size& s : shards) {
    uint32_t shard = shards_index_.find(s.shard.value);
    if (shard == no_index) {
      const auto offset_bytes = places_.take(s.bytes);
      core::check(offset_bytes.has_value(), "a set is added that has no place");
      shard = new_shard(s, *offset_bytes);
    }
    use_shard(sets_[at], shard);
  }
}

bool residency::add_at(model_index set, std::span<const shard_size> shards, std::span<const uint64_t> offsets_bytes) {
  core::check(shards.size() == offsets_bytes.size(), "every shard has a place");
  const uint32_t at = new_set(set);
  for (size_t i = 0; i < shards.size(); ++i) {
    const shard_size& s = shards[i];
    uint32_t shard = shards_index_.find(s.shard.value);
    const bool can_be = shard != no_index
                            ? shards_[shard].offset_bytes == offsets_bytes[i] && shards_[shard].bytes == s.bytes
                            : places_.take_at(offsets_bytes[i], s.bytes);
    if (!can_be) {
      remove(set);
      return false;
    }
    if (shard == no_index) shard = new_shard(s, offsets_bytes[i]);
    use_shard(sets_[at], shard);
  }
  return true;
}

uint32_t residency::new_set(model_index set) {
  core::check(!holds(set), "a set is added twice");
  uint32_t at = free_set_;
  if (at == no_index) {
    at = static_cast<uint32_t>(sets_.size());
    sets_.emplace_back();
    candidates_.reserve(sets_.capacity());
  } else {
    free_set_ = sets_[at].next;
  }
  sets_[at].model = set;
  sets_[at].pins = 0;
  sets_[at].shards.clear();
  index_.insert(set.value, at);
  append(at);
  return at;
}

uint32_t residency::new_shard(const shard_size& s, uint64_t offset_bytes) {
  uint32_t shard = 0;
  if (free_shards_.empty()) {
    shard = static_cast<uint32_t>(shards_.size());
    shards_.emplace_back();
    free_shards_.reserve(shards_.capacity()); // Giving one up allocates nothing, nor does a plan.
    for (core::slab* each : {&places_, &after_, &trial_}) each->reserve(shards_.capacity() + 1);
  } else {
    shard = free_shards_.back();
    free_shards_.pop_back();
  }
  shards_[shard] = {.shard = s.shard, .bytes = s.bytes, .offset_bytes = offset_bytes};
  shards_index_.insert(s.shard.value, shard);
  return shard;
}

void residency::use_shard(set_entry& by, uint32_t shard) {
  ++shards_[shard].sets;
  by.shards.push_back(shard);
}

void residency::remove(model_index set) {
  const uint32_t at = entry_of(set);
  core::check(sets_[at].pins == 0, "a pinned set is removed");
  for (const uint32_t s : sets_[at].shards) {
    shard_entry& shard = shards_[s];
    if (--shard.sets > 0) continue;
    places_.give_back(shard.offset_bytes, shard.bytes);
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

std::optional<uint64_t> residency::offset_bytes(shard_index shard) const {
  const uint32_t at = shards_index_.find(shard.value);
  if (at == no_index) return std::nullopt;
  return shards_[at].offset_bytes;
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

} // namespace fastptm::policy
