// Which shards of a load have chunks that nobody fetches, by who has them: the next one is found without a search.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

namespace fastptm::policy {

// Shards that the same sources have wait for the same sources: whether one of them can be asked is looked at once for all.
// There are few such groups, one in most loads. Allocates when holders change and when a shard begins or ceases to wait.
class waiting_shards {
public:
  using holders = std::vector<uint32_t>; // sources by their numbers, each once, rising
  struct group {
    std::set<uint32_t> waiting; // the first one is wanted first
    uint32_t members = 0;       // with those that do not wait
  };
  using groups = std::map<holders, group>;

  // Nobody has any, none waits.
  explicit waiting_shards(size_t shards);

  void set_holders(uint32_t shard, const holders& who);
  void set_waiting(uint32_t shard, bool waits);

  const holders& holders_of(uint32_t shard) const { return shards_[shard].in->first; }
  const groups& by_holders() const { return groups_; }
  // Those that nobody has.
  const std::set<uint32_t>& without_holder() const { return groups_.at({}).waiting; }

private:
  struct entry {
    groups::value_type* in = nullptr;
    bool waits = false;
  };

  groups groups_; // one for those that nobody has is always there
  std::vector<entry> shards_;
};

} // namespace fastptm::policy
