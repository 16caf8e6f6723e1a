// What a sentence-transformers folder says beyond config.json: pooling, normalisation, longest input, prompts.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "models/architecture.hpp"
#include "weights/format/usage.hpp"
#include "weights/import/module_list.hpp"

namespace fastptm::weights {

// A folder without any of these files gives the defaults: mean pooling, not normalised, as long as there are positions.
struct model_card {
  models::pooling pool = models::pooling::mean;
  bool normalize = false;
  uint32_t max_tokens = 0;        // special tokens included; never more than the architecture's positions
  usage how;                      // prompts; labels are config.json's
  std::vector<std::string> files; // what was read, relative to the folder: these belong to the model
};

// Reads the pooling module's config.json, config_sentence_transformers.json, sentence_bert_config.json and
// tokenizer_config.json's length. What we do not do is refused by name, not guessed: a wrong embedding looks like a
// right one. 1_Pooling/config.json must be valid whenever it exists; without modules.json it decides the pooling.
core::result<model_card> read_model_card(const std::filesystem::path& folder, const module_list& modules,
                                         const models::model_facts& facts, models::task_kind kind);

} // namespace fastptm::weights
