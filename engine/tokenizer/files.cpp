// Which tokenizer files a folder has, and the choice of the implementation; card.cpp packs them.
#include <algorithm>
#include <array>

#include "core/log.hpp"
#include "engine/tokenizer.hpp"
#include "engine/tokenizer/card.hpp"
#include "engine/tokenizer/json_reading.hpp"
#include "engine/tokenizer/wordpiece.hpp"
#include "engine/tokenizer/wordpiece_files.hpp"
#include "weights/import/regular_file.hpp"

namespace fastptm::engine {
namespace {

namespace fs = std::filesystem;
using core::errc;
using core::fail;

// Known by name so that the refusal can say so.
constexpr std::array<std::string_view, 4> other_kinds = {"tokenizer.model", "sentencepiece.bpe.model", "spiece.model",
                                                         "merges.txt"};

core::result<void> read_into(const fs::path& folder, std::string_view name, std::string& text) {
  if (!weights::name_exists(folder / name)) return {};
  auto read = weights::read_small_file(folder / name, name, max_card_bytes);
  if (!read) return fail(read.error());
  if (read->empty()) return refuse("{}: empty: remove it or put the tokenizer there", name);
  text = std::move(*read);
  return {};
}

bool has_any(const tokenizer_texts& texts) {
  return !texts.tokenizer_json.empty() || !texts.vocabulary.empty();
}

// The class that counts where tokenizer_config.json names none, and code that would stand in its place.
core::result<void> read_model_config(const fs::path& folder, tokenizer_texts& texts) {
  std::string text;
  if (auto read = read_into(folder, model_config_name, text); !read) return read;
  const auto config = parse_object(text, model_config_name);
  if (!config) return fail(config.error());
  const auto* own_code = member(*config, "auto_map");
  if (own_code && own_code->find("AutoTokenizer"))
    return refuse("{}: auto_map names a tokenizer in code of the model's own, which is never run", model_config_name);
  return read_text(model_config_name, *config, "tokenizer_class", texts.model_class);
}

// Only what decides ids.
core::result<tokenizer_texts> read_files(const fs::path& folder) {
  tokenizer_texts texts;
  if (auto read = read_into(folder, tokenizer_json_name, texts.tokenizer_json); !read) return fail(read.error());
  if (texts.tokenizer_json.empty())
    if (auto read = read_into(folder, vocabulary_name, texts.vocabulary); !read) return fail(read.error());
  if (!has_any(texts)) {
    for (const auto name : other_kinds)
      if (weights::name_exists(folder / name))
        return refuse("{}: this kind of tokenizer is not supported: add tokenizer.json or vocab.txt", name);
    return texts;
  }
  for (const auto& [name, text] : {std::pair{tokenizer_config_name, &texts.tokenizer_config},
                                   std::pair{sentence_config_name, &texts.sentence_config},
                                   std::pair{special_tokens_map_name, &texts.special_tokens_map},
                                   std::pair{added_tokens_name, &texts.added_tokens}})
    if (auto read = read_into(folder, name, *text); !read) return fail(read.error());
  if (auto read = read_model_config(folder, texts); !read) return fail(read.error());
  return texts;
}

core::result<void> check_id(std::string_view file, std::string_view token, int32_t id, size_t rows) {
  if (static_cast<size_t>(id) < rows) return {};
  return refuse("{}: token '{}' has id {}, beyond the model's vocab_size {}: resize the embeddings or remove the token",
                file, core::printable(token, 60), id, rows);
}

core::result<void> check_ids(const wordpiece_options& options, std::optional<uint32_t> vocabulary,
                             std::string_view file) {
  const size_t rows = vocabulary ? *vocabulary : SIZE_MAX;
  for (const auto& [token, id] : options.vocabulary)
    if (auto fits = check_id(file, token, id, rows); !fits) return fits;
  for (const auto& token : options.added)
    if (auto fits = check_id("added tokens", token.content, token.id, rows); !fits && !token.implied) return fits;
  for (const auto* around : {&options.frames.single, &options.frames.pair})
    for (const auto& item : *around)
      if (auto fits = check_id(file, "of the post-processor", item.id, rows); !fits) return fits;
  return {};
}

core::result<std::unique_ptr<tokenizer>> make_tokenizer(const tokenizer_texts& texts,
                                                        std::optional<uint32_t> vocabulary) {
  auto options = wordpiece_from_files(texts);
  if (!options) return fail(options.error());
  const auto file = texts.tokenizer_json.empty() ? vocabulary_name : tokenizer_json_name;
  if (auto fits = check_ids(*options, vocabulary, file); !fits) return fail(fits.error());
  return std::make_unique<wordpiece>(std::move(*options));
}

} // namespace

bool has_tokenizer(const fs::path& folder) {
  const auto there = [&](std::string_view name) { return weights::name_exists(folder / name); };
  return there(tokenizer_json_name) || there(vocabulary_name) ||
         std::any_of(other_kinds.begin(), other_kinds.end(), there);
}

core::result<std::unique_ptr<tokenizer>> load_tokenizer(const fs::path& folder, std::optional<uint32_t> vocabulary,
                                                        special_tokens spelled_out) {
  auto texts = read_files(folder);
  if (!texts) return fail(texts.error());
  if (!has_any(*texts)) return fail(errc::not_found, "no tokenizer.json or vocab.txt: this model takes token ids only");
  texts->spelled_out = spelled_out;
  return make_tokenizer(*texts, vocabulary);
}

core::result<std::string> pack_card(const fs::path& folder, special_tokens spelled_out) {
  auto texts = read_files(folder);
  if (!texts) return fail(texts.error());
  if (!has_any(*texts)) return std::string();
  texts->spelled_out = spelled_out;
  return pack_texts(*texts);
}

core::result<std::unique_ptr<tokenizer>> unpack_card(std::string_view card, std::optional<uint32_t> vocabulary) {
  auto texts = unpack_texts(card);
  if (!texts) return fail(texts.error());
  return make_tokenizer(*texts, vocabulary);
}

} // namespace fastptm::engine
