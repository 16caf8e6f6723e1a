// WordPiece, the tokenizer of the BERT family: greedy longest match of a word's beginning, then of its continuations.
#pragma once

#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/tokenizer.hpp"
#include "engine/tokenizer/bert_text.hpp"
#include "engine/tokenizer/framing.hpp"

namespace fastptm::engine {

// Everything that a model's files decide. Requires: ids are not negative; the unknown id exists.
struct wordpiece_options {
  std::vector<std::pair<std::string, int32_t>>
      vocabulary; // token as the file spells it, id; of equal tokens the last counts
  std::string continuation_prefix = "##";
  int32_t unknown_id = 0;
  size_t longest_word_characters = 100; // a longer word is one unknown token
  text_frames frames = bare_frames();
  bert_text_options text;
};

class wordpiece final : public tokenizer {
public:
  explicit wordpiece(wordpiece_options options);

  encoding encode(std::string_view utf8, size_t max_tokens) const override;
  core::result<encoding> encode_pair(std::string_view first, std::string_view second, size_t max_tokens) const override;
  size_t vocabulary_size() const override { return vocabulary_size_; }

private:
  using table = std::unordered_map<std::string_view, int32_t>;

  std::vector<int32_t> ids_of(std::string_view utf8) const;
  void append_word(std::string_view word, std::vector<int32_t>& ids) const;

  const wordpiece_options options_; // owns the bytes that the tables' keys point to
  table beginnings_;                // all tokens
  table continuations_;             // tokens that start with the prefix, without it
  size_t longest_token_bytes_ = 0;
  size_t vocabulary_size_ = 0;
};

} // namespace fastptm::engine
