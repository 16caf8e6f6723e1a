// Reads config.json of a Hugging Face model folder into an architecture; guesses nothing that would change an answer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "weights/format/architecture.hpp"
#include "weights/import/labels.hpp"

namespace fastptm::weights {

struct model_config {
  architecture arch;
  task_kind kind = task_kind::embed; // classify when `architectures` names a ...ForSequenceClassification
  label_config labels;               // classify only
  bool names_family = true;          // false: no model_type, as files of 2018; the tensors' names must tell then
  std::vector<std::string> defaults; // "hidden_size 768": keys that are not there, with the library's values
};

inline constexpr uint64_t max_config_bytes = 1 << 20;

// A key that is not there has the library's default. errc::invalid naming config.json and the key. Refused: other
// families than bert, decoders, cross attention, relative positions, pruned heads, quantised weights, code of the
// folder's own, unknown activations, classes whose task is not served.
core::result<model_config> parse_model_config(std::string_view text);

} // namespace fastptm::weights
