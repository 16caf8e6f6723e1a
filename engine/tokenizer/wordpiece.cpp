// The two tables and the match; where the options come from is files.cpp's business.
#include "engine/tokenizer/wordpiece.hpp"

#include <algorithm>

#include "core/check.hpp"

namespace fastptm::engine {
namespace {

bool starts_character(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0) != 0x80;
}

size_t count_characters(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), starts_character));
}

} // namespace

wordpiece::wordpiece(wordpiece_options options) : options_(std::move(options)) {
  beginnings_.reserve(options_.vocabulary.size());
  for (const auto& [token, id] : options_.vocabulary) {
    core::check(id >= 0, "a token id is negative");
    vocabulary_size_ = std::max(vocabulary_size_, static_cast<size_t>(id) + 1);
    longest_token_bytes_ = std::max(longest_token_bytes_, token.size());
    beginnings_.insert_or_assign(token, id);
    const std::string_view text = token;
    if (text.starts_with(options_.continuation_prefix))
      continuations_.insert_or_assign(text.substr(options_.continuation_prefix.size()), id);
  }
}

void wordpiece::append_word(std::string_view word, std::vector<int32_t>& ids) const {
  if (word.size() > options_.longest_word_characters && count_characters(word) > options_.longest_word_characters) {
    ids.push_back(options_.unknown_id);
    return;
  }
  const size_t first = ids.size();
  for (size_t start = 0; start < word.size();) {
    const table& tokens = start == 0 ? beginnings_ : continuations_;
    size_t length = std::min(word.size() - start, longest_token_bytes_);
    auto found = tokens.end();
    for (; length > 0; --length) {
      const size_t end = start + length;
      if (end < word.size() && !starts_character(word[end])) continue;
      found = tokens.find(word.substr(start, length));
      if (found != tokens.end()) break;
    }
    if (found == tokens.end()) { // one part unknown: the whole word is
      ids.resize(first);
      ids.push_back(options_.unknown_id);
      return;
    }
    ids.push_back(found->second);
    start += length;
  }
}

std::vector<int32_t> wordpiece::ids_of(std::string_view utf8) const {
  std::vector<int32_t> ids;
  bert_words words(utf8, options_.text);
  for (auto word = words.next(); !word.empty(); word = words.next()) append_word(word, ids);
  return ids;
}

encoding wordpiece::encode(std::string_view utf8, size_t max_tokens) const {
  return framed(options_.frames.single, {ids_of(utf8), {}}, max_tokens);
}

core::result<encoding> wordpiece::encode_pair(std::string_view first, std::string_view second,
                                              size_t max_tokens) const {
  if (options_.frames.pair.empty())
    return core::fail(core::errc::invalid, "the model's tokenizer files have no rule for two texts: send one");
  return framed(options_.frames.pair, {ids_of(first), ids_of(second)}, max_tokens);
}

} // namespace fastptm::engine
