// What sentence_bert_config.json says about how the encoder of a sentence-transformers folder is to be run.
#pragma once

#include <cstdint>
#include <optional>

#include "core/error.hpp"
#include "core/json.hpp"
#include "models/architecture.hpp"

namespace fastptm::weights {

inline constexpr const char* sentence_config_file = "sentence_bert_config.json";

struct sentence_config {
  std::optional<uint32_t> longest; // max_seq_length, special tokens included
};

// Every field is honoured, here or by the tokenizer (do_lower_case), or refused by name: arguments for the model or the
// tokenizer that would change what they compute, outputs other than those of `kind`, fields that are not known.
core::result<sentence_config> parse_sentence_config(const core::json_value& config, models::task_kind kind);

// A length as these files write it: nothing for null; "no limit" is 1e30 in some versions.
// errc::invalid naming the key.
core::result<std::optional<uint32_t>> length_in(const core::json_value& config, std::string_view file,
                                                std::string_view key);

} // namespace fastptm::weights
