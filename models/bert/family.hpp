// BERT (Devlin et al. 2018), MiniLM and the many of its shape: an encoder with token types.
#pragma once

#include "models/bert/names.hpp"
#include "models/encoder/family.hpp"

namespace fastptm::models::bert {

class family final : public encoder::family {
public:
  std::string_view name() const override { return "bert"; }
  core::result<described_model> read(const core::json_value& config) const override;
  const tensor_names& names() const override { return names_; }

private:
  const bert::names names_;
};

} // namespace fastptm::models::bert
