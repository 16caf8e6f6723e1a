// The rules for what stands beside a token are those of the tokenizers library (added_vocabulary.rs).
// Its classes of characters are those of the regular expressions \w and \s.
#include "engine/tokenizer/token_splitter.hpp"

#include <algorithm>
#include <string>

#include <unicode/uchar.h>
#include <unicode/utf8.h>

namespace fastptm::engine {
namespace {

std::vector<std::string_view> views(const std::vector<std::string>& of) {
  return {of.begin(), of.end()};
}

bool is_word(UChar32 c) {
  return u_hasBinaryProperty(c, UCHAR_ALPHABETIC) || u_hasBinaryProperty(c, UCHAR_JOIN_CONTROL) ||
         (U_GET_GC_MASK(c) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0;
}

bool is_white(UChar32 c) {
  return u_hasBinaryProperty(c, UCHAR_WHITE_SPACE);
}

// The character that ends at `end`, and where it begins. Requires: end > 0.
UChar32 character_before(std::string_view text, size_t end, size_t& begin) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  auto at = static_cast<int32_t>(std::min<size_t>(end, U8_MAX_LENGTH));
  const auto* from = bytes + (end - static_cast<size_t>(at));
  UChar32 c = 0;
  U8_PREV_OR_FFFD(from, 0, at, c);
  begin = static_cast<size_t>(from - bytes) + static_cast<size_t>(at);
  return c;
}

// The character that begins at `begin`, and where it ends. Requires: begin < text.size().
UChar32 character_after(std::string_view text, size_t begin, size_t& end) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  end = begin;
  UChar32 c = 0;
  U8_NEXT_OR_FFFD(bytes, end, text.size(), c);
  return c;
}

// Goes back over white space, but not below `least`: what an earlier token took is taken.
size_t white_begins(std::string_view text, size_t at, size_t least) {
  for (size_t before = 0; at > least; at = before)
    if (!is_white(character_before(text, at, before))) break;
  return std::max(at, least);
}

size_t white_ends(std::string_view text, size_t at) {
  for (size_t after = 0; at < text.size(); at = after)
    if (!is_white(character_after(text, at, after))) break;
  return at;
}

} // namespace

token_splitter::token_splitter(std::vector<known_token> tokens, const std::vector<std::string>& patterns,
                               bool special_is_text)
    : tokens_(std::move(tokens)), matches_(views(patterns)), special_is_text_(special_is_text) {}

bool token_splitter::stands_alone(std::string_view text, const longest_match::match& at) const {
  size_t edge = 0;
  if (at.begin > 0 && is_word(character_before(text, at.begin, edge))) return false;
  return at.end == text.size() || !is_word(character_after(text, at.end, edge));
}

std::vector<text_part> token_splitter::split(std::string_view text) const {
  if (tokens_.empty()) return {{text, std::nullopt}};
  std::vector<text_part> parts;
  size_t done = 0;
  size_t white_until = 0; // what was passed over once is not looked at again: many tokens may ask for the same run
  for (const auto& match : matches_.find(text)) {
    const known_token& token = tokens_[match.which];
    if (special_is_text_ && token.rules.special) continue;
    if (token.rules.single_word && !stands_alone(text, match)) continue;
    const size_t begin = token.rules.strips_left ? white_begins(text, match.begin, done) : match.begin;
    if (begin > done) parts.push_back({text.substr(done, begin - done), std::nullopt});
    done = match.end;
    if (token.rules.strips_right) done = white_until = white_ends(text, std::max(match.end, white_until));
    if (begin < done) parts.push_back({{}, token.id}); // nothing is left of white space that an earlier token took
  }
  if (done < text.size()) parts.push_back({text.substr(done), std::nullopt});
  return parts;
}

} // namespace fastptm::engine
