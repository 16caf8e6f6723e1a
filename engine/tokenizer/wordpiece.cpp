// The match; where the options come from is wordpiece_files.cpp's business.
// Every step is linear in the text: a vocabulary is as hostile as a text.
#include "engine/tokenizer/wordpiece.hpp"

#include <algorithm>
#include <limits>
#include <unordered_map>
#include <utility>

#include "core/check.hpp"

namespace fastptm::engine {
namespace {

bool starts_character(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0) != 0x80;
}

size_t count_characters(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), starts_character));
}

constexpr size_t all_of_it = std::numeric_limits<size_t>::max();

// What is looked for: a token that is normalised is looked for in a text that is, by what it becomes there.
std::string pattern_of(const known_token& token, const wordpiece_options& options) {
  if (!token.normalized) return token.content;
  std::string pattern;
  bert_normalise(token.content, options.added_text, pattern);
  return pattern;
}

// Looks for the tokens of one kind.
token_splitter splitter_of(const wordpiece_options& options, bool normalised) {
  std::vector<known_token> tokens;
  std::vector<std::string> patterns;
  for (const auto& token : options.added) {
    if (token.normalized != normalised) continue;
    tokens.push_back(token);
    patterns.push_back(pattern_of(token, options));
  }
  return {std::move(tokens), patterns, options.special_is_text};
}

} // namespace

std::optional<int32_t> wordpiece_options::find(std::string_view token) const {
  for (auto at = vocabulary.rbegin(); at != vocabulary.rend(); ++at)
    if (at->first == token) return at->second;
  return std::nullopt;
}

wordpiece::piece_list wordpiece::pieces_with(std::string_view prefix, const wordpiece_options& options) {
  std::unordered_map<std::string_view, int32_t> ids_of; // of equal ones the last counts
  for (const auto& [token, id] : options.vocabulary) {
    core::check(id >= 0, "a token id is negative");
    if (token.starts_with(prefix)) ids_of.insert_or_assign(std::string_view(token).substr(prefix.size()), id);
  }
  piece_list pieces;
  for (const auto& [text, id] : ids_of) {
    pieces.texts.push_back(text);
    pieces.ids.push_back(id);
  }
  return pieces;
}

bool wordpiece::no_token_has_a_space(const wordpiece_options& options) {
  return std::none_of(options.added.begin(), options.added.end(), [&](const known_token& token) {
    return token.normalized && pattern_of(token, options).find(' ') != std::string::npos;
  });
}

wordpiece::wordpiece(wordpiece_options options)
    : options_(std::move(options)), beginnings_(pieces_with("", options_)),
      continuations_(pieces_with(options_.continuation_prefix, options_)), begins_with_(beginnings_.texts),
      continued_by_(continuations_.texts), in_raw_text_(splitter_of(options_, false)),
      in_normalised_text_(splitter_of(options_, true)), reads_by_pieces_(no_token_has_a_space(options_)) {}

// The longest token that the word begins with, as an index into beginnings_.
uint32_t wordpiece::beginning_of(std::string_view word) const {
  uint32_t longest = byte_trie::none;
  auto at = byte_trie::root;
  for (const char byte : word) {
    at = begins_with_.step(at, byte);
    if (at == byte_trie::none) break;
    if (begins_with_.string_at(at) != byte_trie::none) longest = begins_with_.string_at(at);
  }
  return longest;
}

bool wordpiece::append_pieces(std::string_view word, scratch& with, std::vector<int32_t>& ids) const {
  const uint32_t first = beginning_of(word);
  if (first == byte_trie::none) return false;
  ids.push_back(beginnings_.ids[first]);
  word.remove_prefix(beginnings_.texts[first].size());
  if (word.empty()) return true;
  continued_by_.find_at_every_place(word, with.pieces);
  for (size_t at = 0; at < word.size(); at += continued_by_.length_of(with.pieces[at])) {
    if (with.pieces[at] == longest_match::none) return false;
    ids.push_back(continuations_.ids[with.pieces[at]]);
  }
  return true;
}

void wordpiece::append_word(std::string_view word, scratch& with, std::vector<int32_t>& ids) const {
  const size_t first = ids.size();
  const bool too_long =
      word.size() > options_.longest_word_characters && count_characters(word) > options_.longest_word_characters;
  if (!too_long && append_pieces(word, with, ids)) return;
  ids.resize(first); // one part unknown: the whole word is
  ids.push_back(options_.unknown_id);
}

void wordpiece::append_text(std::string_view text, size_t enough, scratch& with, std::vector<int32_t>& ids) const {
  while (!text.empty() && ids.size() < enough) {
    with.normalised.clear();
    if (reads_by_pieces_)
      bert_normalise_piece(text, options_.text, with.normalised);
    else
      bert_normalise(std::exchange(text, {}), options_.text, with.normalised);
    for (const auto& part : in_normalised_text_.split(with.normalised)) {
      if (part.id) ids.push_back(*part.id);
      bert_words words(part.text);
      for (auto word = words.next(); !word.empty() && ids.size() < enough; word = words.next())
        append_word(word, with, ids);
    }
  }
}

std::vector<int32_t> wordpiece::ids_of(std::string_view utf8, size_t enough) const {
  std::vector<int32_t> ids;
  scratch with;
  const std::string lower = options_.lowercases_first ? python_lower(utf8) : std::string();
  for (const auto& part : in_raw_text_.split(options_.lowercases_first ? lower : utf8)) {
    if (ids.size() >= enough) break;
    if (part.id) ids.push_back(*part.id);
    append_text(part.text, enough, with, ids);
  }
  return ids;
}

// One more than is kept, so that a cut shows. What loses its beginning is read to its end.
size_t wordpiece::enough_for(size_t max_tokens) const {
  return options_.cuts_left || max_tokens == all_of_it ? all_of_it : max_tokens + 1;
}

frame_style wordpiece::style_of(size_t max_tokens) const {
  return {max_tokens, options_.cuts_left, options_.gives_token_types};
}

encoding wordpiece::encode(std::string_view utf8, size_t max_tokens) const {
  return framed(options_.frames.single, {ids_of(utf8, enough_for(max_tokens)), {}}, style_of(max_tokens));
}

core::result<encoding> wordpiece::encode_pair(std::string_view first, std::string_view second,
                                              size_t max_tokens) const {
  if (options_.frames.pair.empty())
    return core::fail(core::errc::invalid, "the model's tokenizer files have no rule for two texts: send one");
  const size_t enough = enough_for(max_tokens);
  text_ids texts{ids_of(first, enough), ids_of(second, enough)};
  // Where both are too long, which is the longer one decides who gets an odd place.
  if (texts.first.size() >= enough && texts.second.size() >= enough)
    texts = {ids_of(first, all_of_it), ids_of(second, all_of_it)};
  return framed(options_.frames.pair, std::move(texts), style_of(max_tokens));
}

} // namespace fastptm::engine
