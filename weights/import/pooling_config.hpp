// How a sentence-transformers Pooling module makes one vector of many, by its config.json.
#pragma once

#include <string>

#include "core/error.hpp"
#include "core/json.hpp"
#include "models/architecture.hpp"

namespace fastptm::weights {

struct pooling_config {
  models::pooling pool = models::pooling::mean;
  bool pools_prompt = true; // include_prompt
};

// `name` is the file's, for messages. Every field is honoured or refused by name: joined poolings, modes that we do not
// compute, a width that is not the model's, fields that are not known.
core::result<pooling_config> parse_pooling_config(const std::string& name, const core::json_value& config,
                                                  const models::model_facts& facts);

} // namespace fastptm::weights
