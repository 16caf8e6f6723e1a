// The prompts of a sentence-transformers folder: what its config_sentence_transformers.json puts before texts.
#pragma once

#include "core/error.hpp"
#include "core/json.hpp"
#include "weights/format/usage.hpp"

namespace fastptm::weights {

inline constexpr std::string_view prompts_file = "config_sentence_transformers.json";

// errc::invalid naming the key: prompts that are no texts or too many or too long, a default that is none of them, and
// a kind of model whose vectors are not the ones we compute (sparse, one per token).
core::result<void> read_prompts(const core::json_value& config, usage& how);

} // namespace fastptm::weights
