// Which tokenizer files a folder has, the packing of them into a card, and the choice of the implementation.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "core/log.hpp"
#include "engine/tokenizer.hpp"
#include "engine/tokenizer/wordpiece.hpp"
#include "engine/tokenizer/wordpiece_files.hpp"
#include "weights/json.hpp"
#include "weights/regular_file.hpp"

namespace fastptm::engine {
namespace {

namespace fs = std::filesystem;
using core::errc;
using core::fail;

// In the order in which a card holds them. The last one matters for a single flag: do_lower_case.
enum file_index : size_t { tokenizer_json, vocabulary, tokenizer_config, sentence_config, file_count };
constexpr std::array<std::string_view, file_count> file_names = {"tokenizer.json", "vocab.txt", "tokenizer_config.json",
                                                                 "sentence_bert_config.json"};
// Known by name so that the refusal can say so.
constexpr std::array<std::string_view, 4> other_kinds = {"tokenizer.model", "sentencepiece.bpe.model", "spiece.model",
                                                         "merges.txt"};

// Empty text: not there.
using file_texts = std::array<std::string, file_count>;

core::result<void> read_into(const fs::path& folder, file_index which, file_texts& texts) {
  if (!weights::name_exists(folder / file_names[which])) return {};
  auto text = weights::read_small_file(folder / file_names[which], file_names[which], max_card_bytes);
  if (!text) return fail(text.error());
  if (text->empty())
    return fail(errc::invalid, fmt::format("{}: empty: remove it or put the tokenizer there", file_names[which]));
  texts[which] = std::move(*text);
  return {};
}

// Only what decides ids: tokenizer.json alone, or the vocabulary with its configuration.
core::result<file_texts> read_files(const fs::path& folder) {
  file_texts texts;
  if (auto read = read_into(folder, tokenizer_json, texts); !read) return fail(read.error());
  if (texts[tokenizer_json].empty()) {
    if (auto read = read_into(folder, vocabulary, texts); !read) return fail(read.error());
    if (auto read = read_into(folder, tokenizer_config, texts); !read) return fail(read.error());
  }
  if (texts[tokenizer_json].empty() && texts[vocabulary].empty()) {
    for (const auto name : other_kinds)
      if (weights::name_exists(folder / name))
        return fail(errc::invalid,
                    fmt::format("{}: this kind of tokenizer is not supported: add tokenizer.json or vocab.txt", name));
    return file_texts{};
  }
  if (auto read = read_into(folder, sentence_config, texts); !read) return fail(read.error());
  return texts;
}

bool has_any(const file_texts& texts) {
  return !texts[tokenizer_json].empty() || !texts[vocabulary].empty();
}

// sentence-transformers lower-cases the text itself when its configuration says so; accents stay then.
core::result<bool> lower_cases_first(const std::string& text) {
  if (text.empty()) return false;
  auto config = weights::parse_json(text, file_names[sentence_config]);
  if (!config) return fail(config.error());
  const auto* flag = config->find("do_lower_case");
  return flag && flag->boolean().value_or(false);
}

core::result<void> check_ids(const wordpiece_options& options, const weights::architecture* architecture,
                             std::string_view file) {
  const size_t rows = architecture ? architecture->vocabulary : SIZE_MAX;
  const auto within = [rows](int32_t id) { return static_cast<size_t>(id) < rows; };
  for (const auto& [token, id] : options.vocabulary)
    if (!within(id))
      return fail(errc::invalid, fmt::format("{}: token '{}' has id {}, beyond the model's vocab_size {}", file,
                                             core::printable(token, 60), id, rows));
  for (const auto* around : {&options.frames.single, &options.frames.pair})
    for (const auto& item : *around)
      if (!within(item.id))
        return fail(errc::invalid,
                    fmt::format("{}: special token id {} is beyond the model's vocab_size {}", file, item.id, rows));
  return {};
}

core::result<std::unique_ptr<tokenizer>> make_tokenizer(const file_texts& texts,
                                                        const weights::architecture* architecture) {
  const bool from_json = !texts[tokenizer_json].empty();
  auto options = from_json ? wordpiece_from_json(texts[tokenizer_json])
                           : wordpiece_from_vocabulary(texts[vocabulary], texts[tokenizer_config]);
  if (!options) return fail(options.error());
  if (auto fits = check_ids(*options, architecture, file_names[from_json ? tokenizer_json : vocabulary]); !fits)
    return fail(fits.error());
  const auto lower = lower_cases_first(texts[sentence_config]);
  if (!lower) return fail(lower.error());
  if (*lower) options->text.lowercase = true;
  return std::make_unique<wordpiece>(std::move(*options));
}

// ---- the card: a magic line, then per file its name's index, its size (64 bits, little-endian) and its bytes
// --------------

constexpr std::string_view card_magic = "fastptm-card-1\n";
constexpr size_t record_bytes = 9;

void append_record(std::string& card, file_index which, std::string_view text) {
  card += static_cast<char>(which);
  for (unsigned shift = 0; shift < 64; shift += 8) card += static_cast<char>((text.size() >> shift) & 0xFF);
  card += text;
}

core::result<file_texts> read_records(std::string_view card) {
  const auto broken = [] { return fail(errc::corrupt, "tokenizer card: damaged: publish the model again"); };
  if (!card.starts_with(card_magic)) return broken();
  card.remove_prefix(card_magic.size());
  file_texts texts;
  while (!card.empty()) {
    if (card.size() < record_bytes) return broken();
    const size_t which = static_cast<unsigned char>(card[0]);
    uint64_t size = 0;
    for (unsigned i = 0; i < 8; ++i) size |= static_cast<uint64_t>(static_cast<unsigned char>(card[1 + i])) << (8 * i);
    card.remove_prefix(record_bytes);
    if (which >= file_count || !texts[which].empty() || size == 0 || size > card.size()) return broken();
    texts[which] = card.substr(0, size);
    card.remove_prefix(size);
  }
  if (!has_any(texts)) return broken();
  return texts;
}

} // namespace

bool has_tokenizer(const fs::path& folder) {
  const auto there = [&](std::string_view name) { return weights::name_exists(folder / name); };
  return there(file_names[tokenizer_json]) || there(file_names[vocabulary]) ||
         std::any_of(other_kinds.begin(), other_kinds.end(), there);
}

core::result<std::unique_ptr<tokenizer>> load_tokenizer(const fs::path& folder,
                                                        const weights::architecture* architecture) {
  auto texts = read_files(folder);
  if (!texts) return fail(texts.error());
  if (!has_any(*texts)) return fail(errc::not_found, "no tokenizer.json or vocab.txt: this model takes token ids only");
  return make_tokenizer(*texts, architecture);
}

core::result<std::string> pack_card(const fs::path& folder) {
  auto texts = read_files(folder);
  if (!texts) return fail(texts.error());
  if (!has_any(*texts)) return std::string();
  std::string card(card_magic);
  for (size_t i = 0; i < file_count; ++i)
    if (!(*texts)[i].empty()) append_record(card, static_cast<file_index>(i), (*texts)[i]);
  if (card.size() > max_card_bytes)
    return fail(errc::invalid, fmt::format("tokenizer files: {} bytes, the limit is {}", card.size(), max_card_bytes));
  return card;
}

core::result<std::unique_ptr<tokenizer>> unpack_card(std::string_view card, const weights::architecture* architecture) {
  auto texts = read_records(card);
  if (!texts) return fail(texts.error());
  return make_tokenizer(*texts, architecture);
}

} // namespace fastptm::engine
