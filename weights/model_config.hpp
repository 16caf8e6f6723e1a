// Reads config.json of a Hugging Face model folder into an architecture; guesses nothing that would change an answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/error.hpp"
#include "weights/architecture.hpp"

namespace fastptm::weights {

struct model_config {
  architecture arch;
  task_kind kind = task_kind::embed;   // classify when `architectures` names a ...ForSequenceClassification
  std::optional<uint32_t> label_count; // of id2label
  bool has_pretraining_head = false; // `architectures` names a class whose extra tensors, cls.*, serving does not need
};

inline constexpr uint64_t max_config_bytes = 1 << 20;

// errc::invalid naming config.json and the key. Refused: other families than bert, decoders, cross attention, relative
// positions, pruned heads, unknown activations, classes whose task is not served.
core::result<model_config> parse_model_config(std::string_view text);

} // namespace fastptm::weights
