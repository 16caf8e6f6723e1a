// A magic line, then for each text its number, its size (64 bits, little-endian) and its bytes.
#include "engine/tokenizer/card.hpp"

#include <array>
#include <cstdint>

#include <fmt/format.h>

namespace fastptm::engine {
namespace {

using core::errc;
using core::fail;

// The first form has the first four texts, and the third only beside the second: such models are read by the rules they
// were published by.
constexpr std::string_view first_magic = "fastptm-card-1\n";
constexpr std::string_view magic = "fastptm-card-2\n";
constexpr size_t record_bytes = 9;
constexpr std::string_view as_text = "text"; // how the choice is written; the library's way is not

// Numbered by their place here: append only.
constexpr std::array places = {&tokenizer_texts::tokenizer_json,     &tokenizer_texts::vocabulary,
                               &tokenizer_texts::tokenizer_config,   &tokenizer_texts::sentence_config,
                               &tokenizer_texts::special_tokens_map, &tokenizer_texts::added_tokens,
                               &tokenizer_texts::model_class};
constexpr size_t first_places = 4;
constexpr size_t choice_place = places.size();

void append_record(std::string& card, size_t place, std::string_view text) {
  if (text.empty()) return;
  card += static_cast<char>(place);
  for (unsigned shift = 0; shift < 64; shift += 8) card += static_cast<char>((text.size() >> shift) & 0xFF);
  card += text;
}

tl::unexpected<core::error> broken() {
  return fail(errc::corrupt, "tokenizer card: damaged: publish the model again");
}

// Takes one record off the card.
core::result<void> read_record(std::string_view& card, tokenizer_texts& texts) {
  if (card.size() < record_bytes) return broken();
  const size_t place = static_cast<unsigned char>(card[0]);
  uint64_t size = 0;
  for (unsigned i = 0; i < 8; ++i) size |= static_cast<uint64_t>(static_cast<unsigned char>(card[1 + i])) << (8 * i);
  card.remove_prefix(record_bytes);
  if (size == 0 || size > card.size()) return broken();
  const std::string_view text = card.substr(0, size);
  card.remove_prefix(size);
  if (place == choice_place && !texts.by_first_rules && text == as_text) {
    texts.spelled_out = special_tokens::text;
    return {};
  }
  if (place >= (texts.by_first_rules ? first_places : places.size())) return broken();
  std::string& target = texts.*places[place];
  if (!target.empty()) return broken();
  target = text;
  return {};
}

} // namespace

core::result<std::string> pack_texts(const tokenizer_texts& texts) {
  std::string card(magic);
  for (size_t i = 0; i < places.size(); ++i) append_record(card, i, texts.*places[i]);
  if (texts.spelled_out == special_tokens::text) append_record(card, choice_place, as_text);
  if (card.size() > max_card_bytes)
    return fail(errc::invalid, fmt::format("tokenizer files: {} bytes, the limit is {}", card.size(), max_card_bytes));
  return card;
}

core::result<tokenizer_texts> unpack_texts(std::string_view card) {
  tokenizer_texts texts;
  texts.by_first_rules = card.starts_with(first_magic);
  if (!texts.by_first_rules && !card.starts_with(magic)) return broken();
  card.remove_prefix(magic.size());
  while (!card.empty())
    if (auto read = read_record(card, texts); !read) return fail(read.error());
  if (texts.tokenizer_json.empty() && texts.vocabulary.empty()) return broken();
  return texts;
}

} // namespace fastptm::engine
