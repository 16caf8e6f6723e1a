// What the families of post-norm encoders have in common: all but how config.json and the tensors are spelled.
#pragma once

#include "models/encoder/config.hpp"
#include "models/family.hpp"

namespace fastptm::models::encoder {

class family : public models::family {
public:
  core::result<weights::model_facts> describe(const weights::architecture& arch) const override;
  std::vector<weights::shard_layout> layout_of(const weights::architecture& arch,
                                               const weights::task& job) const override;
  std::unique_ptr<models::skeleton> make_skeleton(const weights::architecture& arch) const override;
};

} // namespace fastptm::models::encoder
