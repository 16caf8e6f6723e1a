// Strict where a guess would change ids silently: an unknown kind of anything is refused by name.
#include "engine/tokenizer/wordpiece_json.hpp"

#include <algorithm>
#include <string>

#include "core/log.hpp"
#include "engine/tokenizer/frames_json.hpp"
#include "engine/tokenizer/json_reading.hpp"
#include "engine/tokenizer/tokenizer_texts.hpp"

namespace fastptm::engine {
namespace {

using core::fail;
using core::json_value;
using core::printable;

constexpr uint64_t max_word_characters = 10'000; // anything near it is no word

core::result<void> read_vocabulary(const json_value& model, wordpiece_options& options) {
  const json_value* vocabulary = model.find("vocab");
  if (!vocabulary || !vocabulary->object() || vocabulary->object()->empty())
    return refuse("{}: model.vocab is missing or not an object of tokens", tokenizer_json_name);
  options.vocabulary.reserve(vocabulary->object()->size());
  for (const auto& [token, value] : *vocabulary->object()) {
    const auto id = id_of(value);
    if (!id)
      return refuse("{}: model.vocab: the id of token '{}' is no integer from 0 to 2^31-1", tokenizer_json_name,
                    printable(token, 60));
    options.vocabulary.emplace_back(token, *id);
  }
  return {};
}

// Files of before 2020 leave the type out; only WordPiece has these two members and no merges.
bool is_wordpiece(const json_value& model) {
  if (model.find("type")) return model.find("type")->string() && *model.find("type")->string() == "WordPiece";
  return member(model, "continuing_subword_prefix") && member(model, "max_input_chars_per_word") &&
         !member(model, "merges");
}

core::result<void> read_model(const json_value& document, wordpiece_options& options) {
  const json_value* model = member(document, "model");
  if (!model) return refuse("{}: no `model`: this is no tokenizer", tokenizer_json_name);
  if (!is_wordpiece(*model))
    return refuse("{}: tokenizer model '{}' is not supported for this family: WordPiece is", tokenizer_json_name,
                  type_of(document, "model"));
  if (auto read = read_vocabulary(*model, options); !read) return read;
  if (auto read = read_text(tokenizer_json_name, *model, "continuing_subword_prefix", options.continuation_prefix);
      !read)
    return read;
  if (const json_value* longest = member(*model, "max_input_chars_per_word")) {
    const auto count = longest->unsigned_integer();
    if (!count || *count == 0 || *count > max_word_characters)
      return refuse("{}: max_input_chars_per_word is no integer from 1 to {}", tokenizer_json_name,
                    max_word_characters);
    options.longest_word_characters = *count;
  }
  std::string unknown = "[UNK]";
  if (auto read = read_text(tokenizer_json_name, *model, "unk_token", unknown); !read) return read;
  const auto id = options.find(unknown);
  if (!id)
    return refuse("{}: the unknown token '{}' is not in model.vocab", tokenizer_json_name, printable(unknown, 60));
  options.unknown_id = *id;
  return {};
}

core::result<void> read_text_rules(const json_value& document, bert_text_options& text) {
  if (const std::string type = type_of(document, "normalizer"); type != "BertNormalizer")
    return refuse("{}: normalizer '{}' is not supported: BertNormalizer is", tokenizer_json_name, type);
  if (const std::string type = type_of(document, "pre_tokenizer"); type != "BertPreTokenizer")
    return refuse("{}: pre_tokenizer '{}' is not supported: BertPreTokenizer is", tokenizer_json_name, type);
  const json_value& rules = *member(document, "normalizer");
  if (auto read = read_flag(tokenizer_json_name, rules, "clean_text", text.clean_text); !read) return read;
  if (auto read = read_flag(tokenizer_json_name, rules, "handle_chinese_chars", text.space_chinese_characters); !read)
    return read;
  if (auto read = read_flag(tokenizer_json_name, rules, "lowercase", text.lowercase); !read) return read;
  text.strip_accents = text.lowercase; // what null means
  return read_flag(tokenizer_json_name, rules, "strip_accents", text.strip_accents);
}

core::result<void> read_side(const json_value& document, bool& cuts_left) {
  const json_value* truncation = member(document, "truncation");
  std::string side = "Right";
  if (truncation)
    if (auto read = read_text(tokenizer_json_name, *truncation, "direction", side); !read) return read;
  if (side != "Left" && side != "Right")
    return refuse("{}: truncation.direction '{}': expected Left or Right", tokenizer_json_name, printable(side, 60));
  cuts_left = side == "Left";
  return {};
}

} // namespace

core::result<wordpiece_options> wordpiece_from_json(const json_value& document) {
  wordpiece_options options;
  if (auto read = read_model(document, options); !read) return fail(read.error());
  if (auto read = read_text_rules(document, options.text); !read) return fail(read.error());
  if (auto read = read_frames(document, options.frames); !read) return fail(read.error());
  if (auto read = read_side(document, options.cuts_left); !read) return fail(read.error());
  return options;
}

} // namespace fastptm::engine
