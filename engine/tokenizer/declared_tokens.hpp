// The tokens that configuration files beside a vocabulary declare: special ones by their roles, and added ones.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/json.hpp"
#include "engine/tokenizer/added_tokens.hpp"
#include "engine/tokenizer/tokenizer_texts.hpp"

namespace fastptm::engine {

// A special token by its content alone, or with rules of its own.
struct special_token {
  std::string content;
  std::optional<added_token> rules;
};

struct declared_tokens {
  std::map<int64_t, added_token> added;                  // by the index that the file gives
  std::vector<special_token> special;                    // in the library's order of roles, each content once
  std::map<std::string, std::string, std::less<>> roles; // "cls_token" → "[CLS]"
};

// A token of tokenizer.json or of added_tokens_decoder: {"content": ..., "lstrip": ..., ...}.
core::result<added_token> read_added_token(std::string_view file, const core::json_value& from);

// The list `added_tokens` of tokenizer.json; empty where there is none.
core::result<std::vector<added_token>> read_added_list(const core::json_value& tokenizer_json);

// As transformers 4.57 reads them: added_tokens_decoder of tokenizer_config.json if there is one, else
// special_tokens_map.json, added_tokens.json and the list of tokenizer.json (null: there is no such file).
// `is_bert`: a role that no file names has BERT's token.
core::result<declared_tokens> read_declared_tokens(const tokenizer_texts& texts, const core::json_value& config,
                                                   const core::json_value* tokenizer_json, bool is_bert);

// What the library adds, as one batch, to a tokenizer that knows `already`: every added token once more (it may have
// become special), and the special ones that are missing.
std::vector<added_token> missing_tokens(const declared_tokens& declared, const added_tokens& already);

} // namespace fastptm::engine
