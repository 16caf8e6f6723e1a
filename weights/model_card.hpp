// What a sentence-transformers folder says about its model beyond config.json: pooling, normalisation, longest input.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "weights/architecture.hpp"

namespace fastptm::weights {

// A folder without any of these files gives the defaults: mean pooling, not normalised, as long as there are positions.
struct model_card {
  pooling pool = pooling::mean;
  bool normalize = false;
  uint32_t max_tokens = 0;        // special tokens included; never more than the architecture's positions
  std::vector<std::string> files; // what was read, relative to the folder: these belong to the model
};

// Reads modules.json, the pooling module's config.json, sentence_bert_config.json and tokenizer_config.json's length.
// Unknown modules and pooling modes are refused, not guessed: a wrong embedding looks like a right one.
// 1_Pooling/config.json must be valid whenever it exists; without modules.json it decides the pooling.
core::result<model_card> read_model_card(const std::filesystem::path& folder, const architecture& arch);

} // namespace fastptm::weights
