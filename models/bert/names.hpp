// Names of the bert family's tensors in checkpoints, for every slot of our layout.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "weights/format/layout.hpp"

namespace fastptm::weights {

// What checkpoints of models with a task head put before the names of the encoder's tensors.
inline constexpr std::string_view bert_prefix = "bert.";

// The tensors that fill a slot, one below the other: three for "qkv.*", else one. `prefix` is bert_prefix or empty.
std::vector<std::string> bert_sources_of(const shard_layout& shard, const tensor_slot& slot, std::string_view prefix);

// The name that checkpoints of 2018 use for the same tensor (LayerNorm.gamma and beta); empty if there is none.
std::string bert_old_name_of(std::string_view name);

// A tensor of the heads of pre-training (masked words, next sentence), which serving does not need: exactly these
// names.
bool bert_is_pretraining_head(std::string_view name);

// The classifier of ...ForSequenceClassification.
bool bert_is_classifier(std::string_view name);

// A buffer that some versions store and that holds nothing learnt.
bool bert_is_buffer(std::string_view name, std::string_view prefix);

} // namespace fastptm::weights
