// Holders, searches, and who was told of whom.
#include "policy/referrals.hpp"

#include <algorithm>
#include <utility>

#include "core/check.hpp"

namespace fastptm::policy {

namespace {

// Counts, and says whether it was the first.
bool add_one(std::map<device_life, uint32_t>& counts, device_life of) {
  return ++counts[of] == 1;
}

// The other way round: whether it was the last.
bool take_one(std::map<device_life, uint32_t>& counts, device_life of) {
  const auto found = counts.find(of);
  if (--found->second > 0) return false;
  counts.erase(found);
  return true;
}

} // namespace

// -- devices ----------------------------------------------------------------------------------------------------------

void referrals::joined(device_life device, const device_place& at) {
  const auto added = devices_.try_emplace(device);
  core::check(added.second, "a device joins once in its life");
  added.first->second.at = at;
  by_host_[at.host].push_back(device);
}

void referrals::lost(device_life device) {
  end_search(device);
  auto& entry = devices_.at(device);
  const auto neighbours = by_host_.find(entry.at.host);
  std::erase(neighbours->second, device);
  if (neighbours->second.empty()) by_host_.erase(neighbours);
  for (const auto& [shard, position] : std::exchange(entry.held, {})) {
    auto& held = shards_.at(shard);
    remove_holder(shard, held, device, position);
    unname(shard, held, device);
    forget_if_empty(shard);
  }
  devices_.erase(device);
}

// -- shards that others may read --------------------------------------------------------------------------------------

void referrals::holds(device_life device, const core::digest& shard) {
  auto& entry = shards_[shard];
  const auto position = static_cast<uint32_t>(entry.holders.size());
  if (devices_.at(device).held.try_emplace(shard, position).second) {
    entry.holders.push_back(device);
    if (auto& own = devices_.at(device).searches; own && entry.wants.contains(device)) own->has_got = true;
    name_to_children(shard, entry, device);
    end_want(shard, device); // it looks for it no longer
    return name_to_others(shard, entry, device);
  }
  for (auto& [by, one] : entry.wants) { // told before, and told anew
    if (std::ranges::find(one.named, device) == one.named.end()) continue;
    if (std::ranges::find(one.untold, device) == one.untold.end()) one.untold.push_back(device);
    note(shard, one);
  }
}

void referrals::drops(device_life device, const core::digest& shard) {
  auto& held = devices_.at(device).held;
  const auto found = held.find(shard);
  if (found == held.end()) return;
  const auto position = found->second;
  held.erase(found);
  auto& entry = shards_.at(shard);
  remove_holder(shard, entry, device, position);
  unname(shard, entry, device);
  forget_if_empty(shard);
}

void referrals::brings(device_life device, const core::digest& shard) {
  const auto found = shards_.find(shard);
  if (found == shards_.end()) return;
  auto& wants = found->second.wants;
  const auto own = wants.find(device);
  if (own == wants.end()) return;
  own->second.has_part = own->second.of->has_got = true;
  for (auto& [by, one] : wants) {
    if (one.parent != own->second.of) continue;
    one.part_untold = true;
    note(shard, one);
  }
}

// In no order: the last takes its place.
void referrals::remove_holder(const core::digest& shard, shard_entry& entry, device_life holder, uint32_t position) {
  core::check(entry.holders[position] == holder, "a holder stands where it says");
  const auto last = entry.holders.back();
  entry.holders.pop_back();
  if (last == holder) return;
  entry.holders[position] = last;
  devices_.at(last).held.at(shard) = position;
}

void referrals::forget_if_empty(const core::digest& shard) {
  const auto found = shards_.find(shard);
  if (found->second.holders.empty() && found->second.wants.empty()) shards_.erase(found);
}

// -- loads that look for shards ---------------------------------------------------------------------------------------

void referrals::begin_search(device_life by, core::load_id load, const std::vector<core::digest>& shards) {
  end_search(by);
  auto& device = devices_.at(by);
  auto& begun = device.searches.emplace(search{});
  begun.by = by;
  begun.at = device.at;
  begun.load = load;
  begun.shards = shards;
  searches_[{load, by}] = &begun;
  for (const auto& shard : shards) {
    if (device.held.contains(shard)) continue; // it is being told that it has it
    auto& entry = shards_[shard];
    const auto added = entry.wants.try_emplace(by);
    if (!added.second) continue;
    added.first->second.of = &begun;
    refer(shard, entry, added.first->second);
  }
}

void referrals::search_again(device_life by, std::span<const core::digest> shards) {
  for (const auto& shard : shards) {
    const auto found = shards_.find(shard);
    if (found == shards_.end()) continue;
    const auto own = found->second.wants.find(by);
    if (own == found->second.wants.end()) continue;
    auto& again = own->second;
    again.avoided.insert(again.named.begin(), again.named.end());
    if (again.parent != nullptr) again.awaited_before.insert(again.parent->by);
    release(again);
    again.told_awaited = false; // who asks again waits for nobody
    refer(shard, found->second, again);
  }
}

void referrals::end_search(device_life by) {
  auto& of = devices_.at(by).searches;
  if (!of) return;
  for (const auto& shard : of->shards) end_want(shard, by);
  untold_.erase(by);
  searches_.erase({of->load, by});
  of.reset();
}

void referrals::remind() {
  std::set<device_life> moving; // loads that get on, or wait for one that does
  for (const auto& [key, of] : searches_) {
    const bool is_fed =
        std::ranges::any_of(of->parents, [&](const auto& parent) { return moving.contains(parent.first); });
    const bool has_got = std::exchange(of->has_got, false);
    if (has_got || is_fed) moving.insert(of->by);
    if (has_got || !is_fed) continue; // it knows, or there is nothing to say
    for (const auto& shard : of->shards) {
      const auto entry = shards_.find(shard);
      if (entry == shards_.end()) continue;
      const auto own = entry->second.wants.find(of->by);
      if (own == entry->second.wants.end() || own->second.parent == nullptr) continue;
      if (!moving.contains(own->second.parent->by)) continue;
      own->second.tell_anew = true;
      note(shard, own->second);
    }
  }
}

bool referrals::has_search(device_life by) const {
  const auto found = devices_.find(by);
  return found != devices_.end() && found->second.searches.has_value();
}

// Who waited for its load waits for another one, or is told of holders.
void referrals::end_want(const core::digest& shard, device_life by) {
  const auto found = shards_.find(shard);
  if (found == shards_.end()) return;
  auto& entry = found->second;
  auto own = entry.wants.extract(by);
  if (!own) return;
  const auto* const ended = own.mapped().of;
  release(own.mapped());
  if (const auto news = untold_.find(by); news != untold_.end()) news->second.erase(shard);
  for (auto& [other, one] : entry.wants) {
    if (one.parent != ended) continue;
    wait_for(one, nullptr);
    refer(shard, entry, one);
  }
  forget_if_empty(shard);
}

// Names nobody any more and waits for nobody.
void referrals::release(want& by) {
  for (const auto holder : by.named) {
    --devices_.at(holder).readers;
    take_one(by.of->sources, holder);
  }
  by.named.clear();
  by.untold.clear();
  wait_for(by, nullptr);
}

// -- whom to name -----------------------------------------------------------------------------------------------------

bool referrals::may_read(const want& by, device_life holder) const {
  return devices_.at(holder).at.node != by.of->at.node && !by.avoided.contains(holder) &&
         std::ranges::find(by.named, holder) == by.named.end();
}

// Equal holders come in another order for everybody who asks.
referrals::candidate referrals::judge(const search& by, device_life holder) const {
  const auto& device = devices_.at(holder);
  return {device.at.host != by.at.host, !by.sources.contains(holder), device.readers, holder.value - by.by.value,
          holder};
}

// Those of its own host, those that it reads other shards from, and a bounded number of the rest.
std::vector<referrals::candidate> referrals::candidates(const core::digest& shard, const shard_entry& entry,
                                                        const want& by) const {
  std::vector<candidate> found;
  const auto add = [&](device_life holder) {
    if (may_read(by, holder)) found.push_back(judge(*by.of, holder));
  };
  const auto add_if_it_holds = [&](device_life device) {
    if (devices_.at(device).held.contains(shard)) add(device);
  };
  const auto count = entry.holders.size();
  if (count <= options_.most_looked_at) {
    for (const auto holder : entry.holders) add(holder);
  } else {
    if (const auto near = by_host_.find(by.of->at.host); near != by_host_.end())
      for (const auto device : near->second) add_if_it_holds(device);
    for (const auto& [device, shards] : by.of->sources) add_if_it_holds(device);
    const size_t first = by.of->by.value * size_t{0x9e3779b1};
    for (size_t i = 0; i < options_.most_looked_at; ++i) add(entry.holders[(first + i) % count]);
  }
  std::ranges::sort(found);
  const auto twice = std::ranges::unique(found, {}, &candidate::device);
  found.erase(twice.begin(), twice.end());
  return found;
}

void referrals::refer(const core::digest& shard, shard_entry& entry, want& by) {
  for (const auto& one : candidates(shard, entry, by)) {
    if (by.named.size() >= options_.most_holders) break;
    name(shard, by, one.device);
  }
  if (by.named.empty()) wait_for(by, choose_parent(entry, by));
  if (by.parent != nullptr) by.part_untold = entry.wants.at(by.parent->by).has_part;
  note(shard, by);
}

void referrals::name(const core::digest& shard, want& by, device_life holder) {
  wait_for(by, nullptr);
  by.named.push_back(holder);
  by.untold.push_back(holder);
  ++devices_.at(holder).readers;
  add_one(by.of->sources, holder);
  note(shard, by);
}

void referrals::name_to_children(const core::digest& shard, shard_entry& entry, device_life holder) {
  for (auto& [by, one] : entry.wants)
    if (one.parent != nullptr && one.parent->by == holder) name(shard, one, holder);
}

// A new one: to those who have fewest and are near, and not to everybody.
void referrals::name_to_others(const core::digest& shard, shard_entry& entry, device_life holder) {
  struct reader {
    size_t knows = 0;
    candidate how;
    want* who = nullptr;
  };
  std::vector<reader> readers;
  for (auto& [by, one] : entry.wants) {
    if (one.named.size() >= options_.most_holders || !may_read(one, holder)) continue;
    const auto how = judge(*one.of, holder);
    if (one.parent != nullptr && (how.is_far || one.parent->at.host == one.of->at.host)) continue;
    readers.push_back({one.named.size(), how, &one});
  }
  std::ranges::sort(readers, {}, [](const reader& one) { return std::pair(one.knows, one.how); });
  if (readers.size() > options_.most_holders) readers.resize(options_.most_holders);
  for (const auto& one : readers) name(shard, *one.who, holder);
}

// It has left: who was told of it and of nobody else is told of others.
void referrals::unname(const core::digest& shard, shard_entry& entry, device_life holder) {
  for (auto& [by, one] : entry.wants) {
    if (std::erase(one.named, holder) == 0) continue;
    std::erase(one.untold, holder);
    --devices_.at(holder).readers;
    take_one(one.of->sources, holder);
    if (one.named.empty()) refer(shard, entry, one);
  }
}

// -- whom to wait for -------------------------------------------------------------------------------------------------

// A host that has the store is not sent to another host.
referrals::search* referrals::choose_parent(const shard_entry& entry, const want& by) const {
  const auto& own = *by.of;
  const auto hops = own.shards.size(); // that another child costs
  search* best = nullptr;
  std::pair<bool, size_t> best_cost;
  for (const auto& [device, other] : entry.wants) {
    auto& one = *other.of;
    const bool is_far = one.at.host != own.at.host;
    if (one.load >= own.load || one.at.node == own.at.node || (is_far && own.at.is_stores_host)) continue;
    if (by.awaited_before.contains(device)) continue;
    const uint32_t others = one.children - (own.parents.contains(device) ? 1 : 0);
    const std::pair cost(is_far, one.depth + others * hops);
    if (best != nullptr && cost >= best_cost) continue;
    best = &one;
    best_cost = cost;
  }
  return best;
}

void referrals::wait_for(want& by, search* parent) {
  if (by.parent == parent) return;
  if (by.parent != nullptr) {
    --waits_;
    if (take_one(by.of->parents, by.parent->by)) --by.parent->children;
  }
  by.parent = parent;
  if (parent == nullptr) return;
  ++waits_;
  if (add_one(by.of->parents, parent->by)) ++parent->children;
  by.of->depth = std::max(by.of->depth, parent->depth + 1);
}

// -- to tell ----------------------------------------------------------------------------------------------------------

referral_news referrals::take_news(device_life by) {
  const auto shards = untold_.extract(by);
  return shards ? news_of(by, shards.mapped()) : referral_news();
}

std::vector<std::pair<device_life, referral_news>> referrals::take_all_news() {
  std::vector<std::pair<device_life, referral_news>> all;
  for (const auto& [by, shards] : std::exchange(untold_, {})) {
    auto news = news_of(by, shards);
    if (!news.holders.empty() || !news.parts.empty() || !news.awaited.empty() || !news.not_awaited.empty())
      all.emplace_back(by, std::move(news));
  }
  return all;
}

referral_news referrals::news_of(device_life by, const std::set<core::digest>& shards) {
  referral_news news;
  for (const auto& shard : shards) {
    auto& one = shards_.at(shard).wants.at(by);
    for (const auto holder : std::exchange(one.untold, {})) news.holders.emplace_back(holder, shard);
    const bool awaits = one.parent != nullptr;
    if (std::exchange(one.part_untold, false) && awaits) news.parts.emplace_back(one.parent->by, shard);
    const bool anew = std::exchange(one.tell_anew, false);
    if (awaits && (anew || !one.told_awaited)) news.awaited.push_back(shard);
    if (!awaits && one.told_awaited && one.named.empty()) news.not_awaited.push_back(shard);
    one.told_awaited = awaits; // whoever hears of a holder awaits nothing
  }
  return news;
}

} // namespace fastptm::policy
