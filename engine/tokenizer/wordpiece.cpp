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

void wordpiece::append_word(std::string_view word, size_t room, std::vector<int32_t>& ids) const {
  if (room == 0) return;
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
  // Cut only now: a word that turns out unknown is one token, however many parts were found before.
  if (ids.size() - first > room) ids.resize(first + room);
}

std::vector<int32_t> wordpiece::encode(std::string_view utf8, size_t max_tokens, bool add_special_tokens) const {
  std::vector<int32_t> ids;
  size_t room = max_tokens;
  if (add_special_tokens) {
    const size_t special = options_.before.size() + options_.after.size();
    room = max_tokens > special ? max_tokens - special : 0;
    ids = options_.before;
  }
  const size_t start = ids.size();
  bert_words words(utf8, options_.text);
  while (ids.size() - start < room) {
    const std::string_view word = words.next();
    if (word.empty()) break;
    append_word(word, room - (ids.size() - start), ids);
  }
  if (add_special_tokens) ids.insert(ids.end(), options_.after.begin(), options_.after.end());
  if (ids.size() > max_tokens) ids.resize(max_tokens); // only where not even the special tokens fit
  return ids;
}

} // namespace fastptm::engine
