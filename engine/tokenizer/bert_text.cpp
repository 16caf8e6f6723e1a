// Character classes from ICU, and the rules of the tokenizers library.
// The library's sources of them: normalizers/bert.rs, pre_tokenizers/bert.rs.
#include "engine/tokenizer/bert_text.hpp"

#include <algorithm>
#include <cstdint>

#include <unicode/bytestream.h>
#include <unicode/casemap.h>
#include <unicode/normalizer2.h>
#include <unicode/stringpiece.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include "core/check.hpp"

namespace fastptm::engine {
namespace {

// Long enough that ICU's fixed costs vanish, short enough that a truncated text is cheap.
constexpr size_t piece_bytes = 2048;
constexpr UChar32 replacement = 0xFFFD;

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

void append(std::string& to, UChar32 c) {
  char buffer[U8_MAX_LENGTH];
  int32_t length = 0;
  U8_APPEND_UNSAFE(buffer, length, c);
  to.append(buffer, static_cast<size_t>(length));
}

// Calls each(code point) for every code point; a broken byte sequence is one U+FFFD.
template <class Each> void for_each_code_point(std::string_view text, Each each) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  for (size_t i = 0; i < text.size();) {
    UChar32 c = 0;
    U8_NEXT_OR_FFFD(bytes, i, text.size(), c);
    each(c);
  }
}

bool is_space(UChar32 c) {
  return c == '\t' || c == '\n' || c == '\r' || u_hasBinaryProperty(c, UCHAR_WHITE_SPACE);
}

// The category a character had in Unicode 8, as a mask. The reference library still works with those tables, so later
// characters have none for it, and six have changed theirs since.
uint32_t category_of(UChar32 c) {
  switch (c) {
    case 0x166D:
    case 0x111C9:
      return U_GC_PO_MASK;
    case 0x1734:
      return U_GC_MN_MASK;
    case 0x1885:
    case 0x1886:
      return U_GC_LO_MASK;
    case 0xA9BD:
      return U_GC_MC_MASK;
    default:
      break;
  }
  UVersionInfo age;
  u_charAge(c, age);
  return age[0] <= 8 ? U_GET_GC_MASK(c) : U_GC_CN_MASK;
}

// Control, format, private use.
bool is_control(UChar32 c) {
  if (c == '\t' || c == '\n' || c == '\r') return false;
  return (category_of(c) & (U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK | U_GC_CS_MASK)) != 0;
}

// The blocks that BERT's authors chose. 0x2B920 is theirs too: the fast implementation starts there, not at 0x2B820.
bool is_chinese(UChar32 c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

// All ASCII that is neither letter nor digit nor space, and Unicode's category P.
bool is_punctuation(UChar32 c) {
  if (c < 0x80) return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
  return (category_of(c) & U_GC_P_MASK) != 0;
}

void clean(std::string_view text, const bert_text_options& options, std::string& to) {
  for_each_code_point(text, [&](UChar32 c) {
    if (options.clean_text) {
      if (c == 0 || c == replacement || is_control(c)) return;
      if (is_space(c)) c = ' ';
    }
    if (options.space_chinese_characters && is_chinese(c)) {
      to += ' ';
      append(to, c);
      to += ' ';
    } else {
      append(to, c);
    }
  });
}

void decompose(std::string& text, std::string& scratch) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* nfd = icu::Normalizer2::getNFDInstance(status);
  scratch.clear();
  if (U_SUCCESS(status)) {
    icu::StringByteSink<std::string> sink(&scratch);
    nfd->normalizeUTF8(0, icu::StringPiece(text.data(), static_cast<int32_t>(text.size())), sink, nullptr, status);
  }
  // Only missing ICU data or memory can fail here: the text is valid UTF-8 by now.
  core::check(U_SUCCESS(status), "ICU cannot decompose: is its data package installed?");
  text.swap(scratch);
}

// Lower-cases one character by itself: no context, so a final sigma is an ordinary one. U+0130 is the only character
// whose lower case is two.
void append_lower(std::string& to, UChar32 c) {
  append(to, u_tolower(c));
  if (c == 0x130) append(to, 0x307);
}

void strip_and_lower(std::string_view text, const bert_text_options& options, std::string& to) {
  for_each_code_point(text, [&](UChar32 c) {
    if (options.strip_accents && (category_of(c) & U_GC_MN_MASK) != 0) return;
    if (options.lowercase)
      append_lower(to, c);
    else
      append(to, c);
  });
}

// The same result for text without a byte above 0x7F: every rule is a test on one byte.
void normalise_ascii(std::string_view text, const bert_text_options& options, std::string& to) {
  for (const char c : text) {
    const bool space = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    if (options.clean_text && space)
      to += ' ';
    else if (options.clean_text && (c < 0x20 || c == 0x7F))
      continue;
    else if (options.lowercase && c >= 'A' && c <= 'Z')
      to += static_cast<char>(c + ('a' - 'A'));
    else
      to += c;
  }
}

} // namespace

void bert_normalise(std::string_view text, const bert_text_options& options, std::string& to) {
  while (!text.empty()) bert_normalise_piece(text, options, to);
}

void bert_normalise_piece(std::string_view& text, const bert_text_options& options, std::string& to) {
  // A space is a word boundary and nothing composes or reorders across it: cutting there changes nothing.
  const size_t space = text.size() > piece_bytes ? text.find(' ', piece_bytes) : std::string_view::npos;
  const std::string_view part = text.substr(0, space);
  text.remove_prefix(part.size());
  if (is_ascii(part)) return normalise_ascii(part, options, to);
  std::string piece, scratch;
  clean(part, options, piece);
  if (options.strip_accents) decompose(piece, scratch);
  if (options.strip_accents || options.lowercase)
    strip_and_lower(piece, options, to);
  else
    to += piece;
}

std::string_view bert_words::next() {
  const auto* bytes = reinterpret_cast<const uint8_t*>(text_.data());
  size_t start = at_;
  while (at_ < text_.size()) {
    const size_t before = at_;
    UChar32 c = 0;
    U8_NEXT_UNSAFE(bytes, at_, c);
    const bool space = is_space(c);
    if (!space && !is_punctuation(c)) continue;
    if (before > start) { // the word ends here; look at c again next time
      at_ = before;
      return text_.substr(start, before - start);
    }
    if (!space) return text_.substr(start, at_ - start);
    start = at_;
  }
  return text_.substr(start);
}

std::string python_lower(std::string_view text) {
  std::string lower;
  icu::StringByteSink<std::string> sink(&lower);
  UErrorCode status = U_ZERO_ERROR;
  icu::CaseMap::utf8ToLower("", 0, icu::StringPiece(text.data(), static_cast<int32_t>(text.size())), sink, nullptr,
                            status);
  core::check(U_SUCCESS(status), "ICU cannot lower-case: is its data package installed?");
  return lower;
}

} // namespace fastptm::engine
