// The lock keeps publications out; the catalogue tells of those that were faster.
#include "weights/store/unpublisher.hpp"

#include <unordered_set>

namespace fastptm::weights {

core::result<garbage> remove_leftovers(leftovers left, content_store& store, const catalogue& models) {
  const core::mutex_lock turn(store.publishing());
  const auto newer = models.newer_than(left.newest_known);
  if (!newer) return core::fail(newer.error());
  std::unordered_set<core::digest> needed;
  for (const auto& model : *newer) {
    const auto set = store.read_manifest(model.manifest);
    if (!set) return core::fail(model.full_name(), set.error());
    needed.insert({model.manifest, model.card});
    for (const auto& shard : set->shards) needed.insert(shard.digest);
  }
  const auto is_needed = [&](const core::digest& name) { return needed.contains(name); };
  std::erase_if(left.objects, is_needed);
  std::erase_if(left.sets, is_needed);
  return store.remove(left.objects, left.sets);
}

} // namespace fastptm::weights
