// What transformers makes of tokenizer_config.json and of the class it names, beyond tokens.
#pragma once

#include <optional>
#include <string>

#include "core/error.hpp"
#include "core/json.hpp"
#include "engine/tokenizer/tokenizer_texts.hpp"

namespace fastptm::engine {

struct library_config {
  // BERT's classes rule over the normaliser of tokenizer.json; the general one leaves it alone.
  bool is_bert = true;
  bool lowercase = true;
  bool space_chinese_characters = true;
  bool strip_accents = true;
  bool gives_token_types = true;
  bool special_is_text = false;
  std::optional<bool> cuts_left; // none: as tokenizer.json says
};

// The classes that the engine knows are listed; others, and every setting that would change ids in a way it does not
// know, are refused by name.
core::result<library_config> read_library_config(const tokenizer_texts& texts, const core::json_value& config);

} // namespace fastptm::engine
