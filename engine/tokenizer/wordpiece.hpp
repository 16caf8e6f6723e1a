// WordPiece, the tokenizer of the BERT family: greedy longest match of a word's beginning, then of its continuations.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/tokenizer.hpp"
#include "engine/tokenizer/bert_text.hpp"
#include "engine/tokenizer/byte_trie.hpp"
#include "engine/tokenizer/framing.hpp"
#include "engine/tokenizer/longest_match.hpp"
#include "engine/tokenizer/token_splitter.hpp"

namespace fastptm::engine {

// Everything that a model's files decide. Requires: ids are not negative; the unknown id exists.
struct wordpiece_options {
  // Token as the file spells it, id; of equal tokens the last counts.
  std::vector<std::pair<std::string, int32_t>> vocabulary;
  std::string continuation_prefix = "##";
  int32_t unknown_id = 0;
  size_t longest_word_characters = 100; // a longer word is one unknown token
  text_frames frames = bare_frames();
  bert_text_options text;
  std::vector<known_token> added;
  bert_text_options added_text;  // the rules by which those of the normalised text were normalised
  bool special_is_text = false;  // special tokens spelled out in a text
  bool lowercases_first = false; // the text as a whole, before added tokens are looked for
  bool cuts_left = false;
  bool gives_token_types = true; // false: the model is given zeros

  std::optional<int32_t> find(std::string_view token) const;
};

class wordpiece final : public tokenizer {
public:
  explicit wordpiece(wordpiece_options options);

  encoding encode(std::string_view utf8, size_t max_tokens) const override;
  core::result<encoding> encode_pair(std::string_view first, std::string_view second, size_t max_tokens) const override;

private:
  // Tokens with their ids, each once.
  struct piece_list {
    std::vector<std::string_view> texts; // into the options
    std::vector<int32_t> ids;
  };
  static piece_list pieces_with(std::string_view prefix, const wordpiece_options& options);
  static bool no_token_has_a_space(const wordpiece_options& options);

  // What one text needs besides its ids; kept from word to word.
  struct scratch {
    std::string normalised;
    std::vector<uint32_t> pieces;
  };

  // Of the text's beginning: all of its ids, or at least so many of them.
  std::vector<int32_t> ids_of(std::string_view utf8, size_t enough) const;
  size_t enough_for(size_t max_tokens) const;
  void append_text(std::string_view text, size_t enough, scratch& with, std::vector<int32_t>& ids) const;
  uint32_t beginning_of(std::string_view word) const;
  bool append_pieces(std::string_view word, scratch& with, std::vector<int32_t>& ids) const; // false: one is unknown
  void append_word(std::string_view word, scratch& with, std::vector<int32_t>& ids) const;
  frame_style style_of(size_t max_tokens) const;

  const wordpiece_options options_;
  const piece_list beginnings_;    // all tokens
  const piece_list continuations_; // those that start with the prefix, without it
  const byte_trie begins_with_;
  const longest_match continued_by_;
  const token_splitter in_raw_text_;
  const token_splitter in_normalised_text_;
  const bool reads_by_pieces_; // none of its tokens can lie across the space between two pieces
};

} // namespace fastptm::engine
