// DistilBERT (Sanh et al. 2019): BERT's encoder without token types and without a pooler for embeddings.
#pragma once

#include "models/distilbert/names.hpp"
#include "models/encoder/family.hpp"

namespace fastptm::models::distilbert {

class family final : public encoder::family {
public:
  std::string_view name() const override { return "distilbert"; }
  core::result<described_model> read(const core::json_value& config) const override;
  const tensor_names& names() const override { return names_; }

private:
  const distilbert::names names_;
};

} // namespace fastptm::models::distilbert
