// Whom a load that looks for shards is told of: a few holders, or one load to wait for. Pure: what to tell is taken.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/digest.hpp"
#include "core/ids.hpp"

namespace fastptm::policy {

// A device for one registration of its node: what comes back has another number.
using device_life = core::strong_id<struct device_life_tag, uint32_t>;

struct device_place {
  uint32_t node = 0;
  uint32_t host = 0;
  bool is_stores_host = false; // the weight store is on that host
};

struct referral_options {
  // For one shard, that one load is told of; and loads that hear of one new holder of it besides those that waited for
  // it. More sources than this make a load no faster, and every one of them costs messages and connections.
  uint32_t most_holders = 8;
  // Of the holders on other hosts: a choice among so many spreads readers as well as one among all.
  uint32_t most_looked_at = 64;
};

// What one load has to be told of, since it was told the last time.
struct referral_news {
  std::vector<std::pair<device_life, core::digest>> holders; // may be read from
  std::vector<std::pair<device_life, core::digest>> parts;   // awaited of that one, which has got more of its chunks
  std::vector<core::digest> awaited;                         // nobody near has it, another load is bringing it
  std::vector<core::digest> not_awaited;                     // none is any more
};

// A load waits for earlier ones only, so nobody waits in a circle. Whom it waits for is chosen so that it gets its last
// shard early: a hop more costs it one shard's time, another reader of the same device costs that for every shard. So few
// loads follow each other in a chain, in which every link carries every byte once, and many in several.
//
// Who waits hears of a shard when the load that it waits for has it, not before: the first that has it is not asked by
// all. Whoever has used up what it was told of asks again, and hears of others.
class referrals {
public:
  explicit referrals(const referral_options& options = {}) : options_(options) {}

  // -- devices --------------------------------------------------------------------------------------------------------
  void joined(device_life device, const device_place& at); // a new one
  void lost(device_life device);                           // with what it held and looked for

  // -- shards that others may read ------------------------------------------------------------------------------------
  void holds(device_life device, const core::digest& shard); // once more: it lies elsewhere now
  void drops(device_life device, const core::digest& shard);
  // One that it is loading: more of its first chunks have come. Those who wait for this load are told.
  void brings(device_life device, const core::digest& shard);

  // -- loads that look for shards -------------------------------------------------------------------------------------
  // Ends the device's search before, which has one at a time.
  void begin_search(device_life by, core::load_id load, const std::vector<core::digest>& shards);
  // What it was told of does not do, or brings nothing: of others, if there are.
  void search_again(device_life by, std::span<const core::digest> shards);
  void end_search(device_life by);
  bool anyone_waits() const { return waits_ > 0; }
  // From time to time: who waits is told so anew if a load that brings it something has got a shard since the last time,
  // for the end of a long chain waits long without anything being wrong.
  void remind();

  // -- to tell --------------------------------------------------------------------------------------------------------
  referral_news take_news(device_life by);
  std::vector<std::pair<device_life, referral_news>> take_all_news();

  bool has_search(device_life by) const;
  size_t shards() const { return shards_.size(); } // held or looked for

private:
  struct search {
    device_life by;
    device_place at;
    core::load_id load;
    std::vector<core::digest> shards;
    std::map<device_life, uint32_t> sources; // holders that it was told of, and of how many shards
    std::map<device_life, uint32_t> parents; // whose loads it waits for, and for how many shards
    uint32_t depth = 0;                      // of the chain that ends here
    uint32_t children = 0;                   // searches that wait for this one
    bool has_got = false;                    // a shard, since reminders were written
  };
  // A shard that a search has not got yet.
  struct want {
    search* of = nullptr;
    std::vector<device_life> named;  // holders that it was told of, or will be
    std::vector<device_life> untold; // those of them that it will be
    std::set<device_life> avoided;   // it has tried them
    search* parent = nullptr;        // only where nobody is named
    std::set<device_life> awaited_before;
    bool has_part = false;    // this load has got some of it, which others may read
    bool part_untold = false; // more of it has come to the parent
    bool told_awaited = false;
    bool tell_anew = false; // that it is
  };
  struct shard_entry {
    std::vector<device_life> holders;
    std::map<device_life, want> wants; // by who searches
  };
  struct device_entry {
    device_place at;
    std::unordered_map<core::digest, uint32_t> held; // and its position among the shard's holders
    uint32_t readers = 0;                            // searches times shards that it is named for
    std::optional<search> searches;
  };
  // How good a holder is for a search: the lowest comes first.
  struct candidate {
    bool is_far = false, is_new = false; // the search is told of it for no other shard
    uint32_t readers = 0;
    uint32_t turn = 0;
    device_life device;
    friend auto operator<=>(const candidate&, const candidate&) = default;
  };

  bool may_read(const want& by, device_life holder) const;
  candidate judge(const search& by, device_life holder) const;
  std::vector<candidate> candidates(const core::digest& shard, const shard_entry& entry, const want& by) const;
  void refer(const core::digest& shard, shard_entry& entry, want& by);
  void name(const core::digest& shard, want& by, device_life holder);
  void name_to_children(const core::digest& shard, shard_entry& entry, device_life holder);
  void name_to_others(const core::digest& shard, shard_entry& entry, device_life holder);
  void unname(const core::digest& shard, shard_entry& entry, device_life holder);
  search* choose_parent(const shard_entry& entry, const want& by) const;
  void wait_for(want& by, search* parent);
  void note(const core::digest& shard, const want& by) { untold_[by.of->by].insert(shard); }
  void release(want& by);
  void end_want(const core::digest& shard, device_life by);
  void remove_holder(const core::digest& shard, shard_entry& entry, device_life holder, uint32_t position);
  void forget_if_empty(const core::digest& shard);
  referral_news news_of(device_life by, const std::set<core::digest>& shards);

  const referral_options options_;
  std::unordered_map<device_life, device_entry> devices_;
  std::unordered_map<uint32_t, std::vector<device_life>> by_host_;
  std::unordered_map<core::digest, shard_entry> shards_;
  std::map<device_life, std::set<core::digest>> untold_;              // searches with news, and of which shards
  std::map<std::pair<core::load_id, device_life>, search*> searches_; // earlier loads come first
  uint64_t waits_ = 0;                                                // wants with a parent
};

} // namespace fastptm::policy
