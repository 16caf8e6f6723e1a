// Where sets lie on devices: from what a device reports into the core, from the core's plan into orders.
#include "actors/serving/scheduler.hpp"
#include "core/check.hpp"
#include "policy/scheduling/board.hpp"

namespace fastptm::actors {

// Nothing for a set that the core cannot know of.
std::optional<std::vector<uint64_t>> scheduler::places_on(const protocol::device_row& row, size_t resident) const {
  const auto known = model_index_.find(row.resident_ids[resident]);
  if (known == model_index_.end() || !core_->state().knows(policy::model_index{known->second})) return std::nullopt;
  const auto& model = models_[known->second];
  if (resident >= row.offsets_bytes.size() || row.offsets_bytes[resident].size() != model.shards.size())
    return std::nullopt;
  std::vector<uint64_t> places;
  places.reserve(model.distinct.size());
  for (const auto position : model.distinct) places.push_back(row.offsets_bytes[resident][position]);
  return places;
}

std::vector<uint64_t> scheduler::planned_places(uint32_t device, uint32_t model) const {
  const auto& sets = core_->state().device({device}).sets;
  std::vector<uint64_t> places;
  for (const auto& shard : models_[model].shards) {
    const auto offset_bytes = sets.offset_bytes({shard_index_.at(shard).index});
    core::check(offset_bytes.has_value(), "a set is loaded that has a place");
    places.push_back(*offset_bytes);
  }
  return places;
}

} // namespace fastptm::actors
