// A stranger's tokenizer files and a stranger's text: ids are those of the files, and never too many.
#include "engine/tokenizer.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "core/check.hpp"
#include "engine/tokenizer/card.hpp"
#include "tests/fuzz/bytes.hpp"

namespace fastptm::engine {
namespace {

constexpr std::string_view separator = "\n-- next file --\n";
constexpr uint32_t vocabulary = 1000;
constexpr size_t most_tokens = 48;
constexpr size_t all_of_it = std::numeric_limits<size_t>::max();

void check_encoding(const encoding& read, const encoding& whole) {
  core::check(read.ids.size() <= most_tokens, "a text is cut to what the model reads");
  core::check(read.token_types.empty() || read.token_types.size() == read.ids.size(), "one type an id");
  core::check(read.truncated == (whole.ids.size() > read.ids.size()), "a cut is told");
  core::check(read.truncated || read.ids == whole.ids, "what is not cut is the whole");
  core::check(std::ranges::all_of(read.ids, [](int32_t id) { return id >= 0 && id < int32_t{vocabulary}; }),
              "every id has a row of embeddings");
}

} // namespace
} // namespace fastptm::engine

// Texts to encode, then tokenizer.json, vocab.txt and the files beside them.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fastptm::engine;
  fastptm::fuzz::bytes input(data, size);
  const auto first = input.text_until(separator), second = input.text_until(separator);
  tokenizer_texts texts;
  constexpr std::array files = {&tokenizer_texts::tokenizer_json,     &tokenizer_texts::vocabulary,
                                &tokenizer_texts::tokenizer_config,   &tokenizer_texts::sentence_config,
                                &tokenizer_texts::special_tokens_map, &tokenizer_texts::added_tokens,
                                &tokenizer_texts::model_class};
  for (auto file : files) texts.*file = input.text_until(separator);
  if (input.byte() == 't') texts.spelled_out = special_tokens::text;

  const auto card = pack_texts(texts);
  if (!card) return 0;
  const auto made = unpack_card(*card, vocabulary);
  if (!made) return 0;
  check_encoding((*made)->encode(first, most_tokens), (*made)->encode(first, all_of_it));
  if (const auto pair = (*made)->encode_pair(first, second, most_tokens))
    check_encoding(*pair, *(*made)->encode_pair(first, second, all_of_it));
  return 0;
}
