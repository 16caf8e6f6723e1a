// Copies tensors to their slots; see placed_model.hpp.
#include "tests/engine/placed_model.hpp"

#include <cstring>
#include <limits>

#include "core/check.hpp"

namespace fastptm::engine {

placed_model::placed_model(gpu::device& on, const reference::model& of, placing when)
    : model_(of), layouts_(models::encoder::layout_of(of.arch, of.job)) {
  core::check(layouts_.size() == of.shards.size(), "reference and layout have the same shards");
  for (size_t i = 0; i < layouts_.size(); ++i) {
    auto memory = on.memory().take(layouts_[i].size_bytes);
    core::check(memory.has_value(), "the test's arena is large enough");
    addresses_.push_back({memory->region(), std::make_shared<gpu::verified_event>()});
    leases_.push_back(std::move(*memory));
    std::memset(addresses_[i].region.address, 0xff, addresses_[i].region.size_bytes);
    if (when == placing::now) arrive(i);
  }
}

void placed_model::arrive(size_t shard) {
  for (const models::tensor_slot& slot : layouts_[shard].tensors) {
    const std::vector<float>& values = model_.shards[shard].at(slot.name);
    core::check(values.size() * sizeof(float) == slot.size_bytes, "reference and layout have the same tensors");
    std::memcpy(addresses_[shard].region.address + slot.offset_bytes, values.data(), slot.size_bytes);
  }
  addresses_[shard].verified->set_ok();
}

run_request placed_model::request(std::vector<sequence> inputs) const {
  const auto arch = models::encoder::architecture_of("bert", model_.arch);
  return {.arch = arch,
          .facts = *models::describe(arch),
          .job = model_.job,
          .shards = addresses_,
          .inputs = std::move(inputs),
          .give_up_at_us = std::numeric_limits<core::time_us>::max()};
}

} // namespace fastptm::engine
