// Takes added tokens out of a text, so that the rest can be split into words.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/tokenizer/added_tokens.hpp"
#include "engine/tokenizer/longest_match.hpp"

namespace fastptm::engine {

// A token, or text between tokens.
struct text_part {
  std::string_view text;
  std::optional<int32_t> id;
};

// Looks for one kind of tokens: those of the text as it came, or those of the normalised text.
// Made once, then only read.
class token_splitter {
public:
  // What is looked for instead of a token's content is in `patterns`, one a token. With special_is_text the special
  // ones stay what they are: text.
  token_splitter(std::vector<known_token> tokens, const std::vector<std::string>& patterns, bool special_is_text);

  // The whole text in its order; the parts point into it.
  std::vector<text_part> split(std::string_view text) const;

private:
  bool stands_alone(std::string_view text, const longest_match::match& at) const;

  std::vector<known_token> tokens_;
  longest_match matches_;
  const bool special_is_text_;
};

} // namespace fastptm::engine
