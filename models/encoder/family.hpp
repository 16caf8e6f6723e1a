// What the families of post-norm encoders have in common: all but how config.json and the tensors are spelled.
#pragma once

#include "models/encoder/config.hpp"
#include "models/family.hpp"

namespace fastptm::models::encoder {

class family : public models::family {
public:
  core::result<models::model_facts> describe(const models::architecture& arch) const override;
  std::vector<models::shard_layout> layout_of(const models::architecture& arch, const models::task& job) const override;
  std::unique_ptr<models::skeleton> make_skeleton(const models::architecture& arch) const override;
};

} // namespace fastptm::models::encoder
