// Names of the bert family's tensors in checkpoints, for every slot of the encoder's layout.
#pragma once

#include "models/family.hpp"

namespace fastptm::models::bert {

class names final : public tensor_names {
public:
  std::string_view prefix() const override { return "bert."; }
  std::vector<std::string> sources_of(const models::shard_layout& shard, const models::tensor_slot& slot,
                                      std::string_view prefix) const override;
  // LayerNorm.gamma and beta of 2018.
  std::string old_name_of(std::string_view name) const override;
  // Masked words, next sentence.
  bool is_pretraining_head(std::string_view name) const override;
  bool is_classifier(std::string_view name) const override;
  bool is_buffer(std::string_view name, std::string_view prefix) const override;
};

} // namespace fastptm::models::bert
