// Models that are taken back: out of the core at once, out of the tables when nothing uses them any more.
#include <algorithm>

#include "actors/serving/scheduler.hpp"
#include "core/log.hpp"
#include "policy/scheduling/board.hpp"

namespace fastptm::actors {

namespace scheduling = policy::scheduling;

caf::result<bool> scheduler::on_model_removed(const protocol::model_removed& removed) {
  decide();
  const auto known = model_index_.extract(removed.id);
  if (!known) return true;
  auto& model = models_[known.mapped()];
  auto promise = self_->make_response_promise<bool>();
  model.is_removed = true;
  model.unused = promise;
  removed_.push_back(known.mapped());
  // The core refuses what is queued, and evicts its sets as soon as no batch and no load needs them.
  tell(scheduling::model_removed{{known.mapped()}});
  return promise;
}

void scheduler::forget_removed() {
  std::erase_if(removed_, [this](uint32_t model) {
    if (is_used(model)) return false;
    forget_model(model);
    return true;
  });
}

// By the core's picture, and by orders that devices have not carried out yet.
bool scheduler::is_used(uint32_t model) const {
  const auto& board = core_->state();
  const bool is_placed =
      model < board.model_count() && !(board.holders({model}).empty() && board.loading({model}).empty());
  return is_placed || std::ranges::any_of(batches_, [&](const auto& batch) { return batch.second.model == model; }) ||
         std::ranges::any_of(devices_, [&](const auto& device) { return device.leaving.contains(model); });
}

// Its index and those of shards that no other model has may mean something else from now on.
void scheduler::forget_model(uint32_t index) {
  auto& model = models_[index];
  for (const auto& shard : model.shards) {
    const auto use = shard_index_.find(shard);
    if (--use->second.models > 0) continue;
    free_shards_.push_back(use->second.index);
    shard_index_.erase(use);
  }
  core::log::info("scheduler", "model-removed", "{}", model.row.name);
  auto unused = std::move(model.unused);
  model = {};
  free_models_.push_back(index);
  unused.deliver(true);
}

uint32_t scheduler::take_model() {
  if (free_models_.empty()) {
    models_.emplace_back();
    return static_cast<uint32_t>(models_.size() - 1);
  }
  const auto index = free_models_.back();
  free_models_.pop_back();
  return index;
}

uint32_t scheduler::use_shard(const core::digest& shard) {
  auto [use, is_new] = shard_index_.try_emplace(shard);
  if (is_new && free_shards_.empty()) {
    use->second.index = static_cast<uint32_t>(shard_index_.size() - 1);
  } else if (is_new) {
    use->second.index = free_shards_.back();
    free_shards_.pop_back();
  }
  ++use->second.models;
  return use->second.index;
}

} // namespace fastptm::actors
