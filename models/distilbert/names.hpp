// Names of the distilbert family's tensors in checkpoints, for every slot of the encoder's layout.
#pragma once

#include "models/family.hpp"

namespace fastptm::models::distilbert {

class names final : public tensor_names {
public:
  std::string_view prefix() const override { return "distilbert."; }
  std::vector<std::string> sources_of(const models::shard_layout& shard, const models::tensor_slot& slot,
                                      std::string_view prefix) const override;
  std::string old_name_of(std::string_view) const override { return {}; }
  // Masked words.
  bool is_pretraining_head(std::string_view name) const override;
  bool is_classifier(std::string_view name) const override;
  bool is_buffer(std::string_view name, std::string_view prefix) const override;
};

} // namespace fastptm::models::distilbert
