// Reads config.json of a Hugging Face model folder: which family it is, and what that family reads in it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "models/family.hpp"
#include "weights/import/labels.hpp"

namespace fastptm::weights {

struct model_config {
  const models::family* family = nullptr;
  models::architecture arch;
  models::model_facts facts;
  models::task_kind kind =
      models::task_kind::embed;      // classify when `architectures` names a ...ForSequenceClassification
  label_config labels;               // classify only
  bool names_family = true;          // false: no model_type, as files of 2018; the tensors' names must tell then
  std::vector<std::string> defaults; // "hidden_size 768": keys that are not there, with the library's values
};

inline constexpr uint64_t max_config_bytes = 1 << 20;

// errc::invalid naming config.json and the key: a family that is not served, or what the family refuses.
core::result<model_config> parse_model_config(std::string_view text);

} // namespace fastptm::weights
