// Strict where a guess would change ids silently: an unknown kind of anything is refused by name.
#include "engine/tokenizer/wordpiece_files.hpp"

#include <algorithm>
#include <optional>
#include <string>

#include <fmt/format.h>
#include <unicode/utf8.h>

#include "core/log.hpp"
#include "weights/json.hpp"

namespace fastptm::engine {
namespace {

using core::errc;
using core::fail;
using core::printable;
using weights::json_value;

constexpr std::string_view json_name = "tokenizer.json";
constexpr std::string_view config_name = "tokenizer_config.json";
constexpr size_t max_frame_items = 16;           // BERT's pair has five
constexpr uint64_t max_word_characters = 10'000; // anything near it is no word; the bound keeps matching cheap

template <class... Args> tl::unexpected<core::error> refuse(fmt::format_string<Args...> format, Args&&... args) {
  return fail(errc::invalid, fmt::format(format, std::forward<Args>(args)...));
}

// ---- small readers: a missing or null member leaves `value` as it is
// -----------------------------------------------------

const json_value* member(const json_value& of, std::string_view key) {
  const json_value* found = of.find(key);
  return found && !found->is_null() ? found : nullptr;
}

core::result<void> read_flag(std::string_view file, const json_value& of, std::string_view key, bool& value) {
  const json_value* found = member(of, key);
  if (!found) return {};
  if (!found->boolean()) return refuse("{}: {} is {}: expected true or false", file, key, found->kind());
  value = *found->boolean();
  return {};
}

core::result<void> read_text(std::string_view file, const json_value& of, std::string_view key, std::string& value) {
  const json_value* found = member(of, key);
  if (!found) return {};
  if (!found->string()) return refuse("{}: {} is {}: expected a string", file, key, found->kind());
  value = *found->string();
  return {};
}

// The `type` of a member such as "normalizer": "none" if it is missing or null.
std::string type_of(const json_value& document, std::string_view key) {
  const json_value* part = member(document, key);
  if (!part) return "none";
  const json_value* type = part->find("type");
  return type && type->string() ? printable(*type->string(), 60) : "without a type";
}

std::optional<int32_t> id_of(const json_value& value) {
  const auto id = value.unsigned_integer();
  if (!id || *id > INT32_MAX) return std::nullopt;
  return static_cast<int32_t>(*id);
}

std::optional<int32_t> find_token(const wordpiece_options& options, std::string_view token) {
  for (auto at = options.vocabulary.rbegin(); at != options.vocabulary.rend(); ++at)
    if (at->first == token) return at->second;
  return std::nullopt;
}

// ---- tokenizer.json
// ------------------------------------------------------------------------------------------------------

core::result<void> read_vocabulary(const json_value& model, wordpiece_options& options) {
  const json_value* vocabulary = model.find("vocab");
  if (!vocabulary || !vocabulary->object() || vocabulary->object()->empty())
    return refuse("{}: model.vocab is missing or not an object of tokens", json_name);
  options.vocabulary.reserve(vocabulary->object()->size());
  for (const auto& [token, value] : *vocabulary->object()) {
    const auto id = id_of(value);
    if (!id)
      return refuse("{}: model.vocab: the id of token '{}' is no integer from 0 to 2^31-1", json_name,
                    printable(token, 60));
    options.vocabulary.emplace_back(token, *id);
  }
  return {};
}

core::result<void> read_model(const json_value& document, wordpiece_options& options) {
  const json_value* model = member(document, "model");
  if (!model) return refuse("{}: no `model`: this is no tokenizer", json_name);
  if (const std::string type = type_of(document, "model"); type != "WordPiece")
    return refuse("{}: tokenizer model '{}' is not supported for this family: WordPiece is", json_name, type);
  if (auto read = read_vocabulary(*model, options); !read) return read;
  if (auto read = read_text(json_name, *model, "continuing_subword_prefix", options.continuation_prefix); !read)
    return read;
  if (const json_value* longest = member(*model, "max_input_chars_per_word")) {
    const auto count = longest->unsigned_integer();
    if (!count || *count == 0 || *count > max_word_characters)
      return refuse("{}: max_input_chars_per_word is no integer from 1 to {}", json_name, max_word_characters);
    options.longest_word_characters = *count;
  }
  std::string unknown = "[UNK]";
  if (auto read = read_text(json_name, *model, "unk_token", unknown); !read) return read;
  const auto id = find_token(options, unknown);
  if (!id) return refuse("{}: the unknown token '{}' is not in model.vocab", json_name, printable(unknown, 60));
  options.unknown_id = *id;
  return {};
}

core::result<void> read_text_rules(const json_value& document, bert_text_options& text) {
  if (const std::string type = type_of(document, "normalizer"); type != "BertNormalizer")
    return refuse("{}: normalizer '{}' is not supported: BertNormalizer is", json_name, type);
  if (const std::string type = type_of(document, "pre_tokenizer"); type != "BertPreTokenizer")
    return refuse("{}: pre_tokenizer '{}' is not supported: BertPreTokenizer is", json_name, type);
  const json_value& rules = *member(document, "normalizer");
  if (auto read = read_flag(json_name, rules, "clean_text", text.clean_text); !read) return read;
  if (auto read = read_flag(json_name, rules, "handle_chinese_chars", text.space_chinese_characters); !read)
    return read;
  if (auto read = read_flag(json_name, rules, "lowercase", text.lowercase); !read) return read;
  text.strip_accents = text.lowercase; // what null means
  return read_flag(json_name, rules, "strip_accents", text.strip_accents);
}

// Words added after training are looked for in the text before everything else; special ones we take as ordinary text.
core::result<void> check_added_tokens(const json_value& document) {
  const json_value* added = member(document, "added_tokens");
  if (!added) return {};
  if (!added->array()) return refuse("{}: added_tokens is {}: expected a list", json_name, added->kind());
  for (const json_value& token : *added->array()) {
    const json_value* special = token.find("special");
    if (!special || special->boolean() != true)
      return refuse("{}: added_tokens: only special tokens are supported: retrain with the words in the vocabulary",
                    json_name);
  }
  return {};
}

// Where a text goes: {"id": "A" or "B", "type_id": ...}.
core::result<void> read_text_item(const json_value& text, int32_t token_type, frame& to) {
  const json_value* which = text.find("id");
  const std::string name = which && which->string() ? *which->string() : "";
  if (name != "A" && name != "B")
    return refuse("{}: post_processor: a text of the template is neither A nor B", json_name);
  to.push_back({name == "A" ? frame_item::kind::first_text : frame_item::kind::second_text, 0, token_type});
  return {};
}

// A special token by its name in the processor's own table, which may give several ids.
core::result<void> read_special_item(const json_value& processor, const json_value& special, int32_t token_type,
                                     frame& to) {
  const json_value* name = special.find("id");
  const json_value* table = processor.find("special_tokens");
  const json_value* entry = name && name->string() && table ? table->find(*name->string()) : nullptr;
  const json_value* listed = entry ? entry->find("ids") : nullptr;
  if (!listed || !listed->array())
    return refuse("{}: post_processor: a template item is neither text nor a known token", json_name);
  for (const json_value& value : *listed->array()) {
    const auto id = id_of(value);
    if (!id || to.size() >= max_frame_items)
      return refuse("{}: post_processor: bad or too many special token ids", json_name);
    to.push_back({frame_item::kind::special, *id, token_type});
  }
  return {};
}

core::result<void> read_template_item(const json_value& processor, const json_value& item, frame& to) {
  const json_value* text = item.find("Sequence");
  const json_value* special = item.find("SpecialToken");
  const json_value* what = text ? text : special;
  if (!what) return refuse("{}: post_processor: a template item is neither text nor a known token", json_name);
  const json_value* type = what->find("type_id");
  const auto token_type = type ? id_of(*type) : 0;
  if (!token_type) return refuse("{}: post_processor: a type_id is no integer from 0 to 2^31-1", json_name);
  return text ? read_text_item(*text, *token_type, to) : read_special_item(processor, *special, *token_type, to);
}

size_t count_of(const frame& in, frame_item::kind what) {
  return static_cast<size_t>(std::count_if(in.begin(), in.end(), [&](const auto& item) { return item.what == what; }));
}

core::result<frame> read_template(const json_value& processor, std::string_view key, size_t second_texts) {
  const json_value* items = processor.find(key);
  if (!items || !items->array()) return refuse("{}: post_processor.{} is missing or not a list", json_name, key);
  frame read;
  for (const json_value& item : *items->array())
    if (auto added = read_template_item(processor, item, read); !added) return fail(added.error());
  if (count_of(read, frame_item::kind::first_text) != 1 ||
      count_of(read, frame_item::kind::second_text) != second_texts)
    return refuse("{}: post_processor.{} must contain each text exactly once", json_name, key);
  return read;
}

core::result<void> read_templates(const json_value& processor, text_frames& frames) {
  auto single = read_template(processor, "single", 0);
  if (!single) return fail(single.error());
  frames = {std::move(*single), {}};
  const json_value* listed = member(processor, "pair");
  if (!listed || (listed->array() && listed->array()->empty())) return {};
  auto pair = read_template(processor, "pair", 1);
  if (!pair) return fail(pair.error());
  frames.pair = std::move(*pair);
  return {};
}

// BertProcessing: {"cls": ["[CLS]", 101], "sep": ["[SEP]", 102]}.
core::result<int32_t> read_token_and_id(const json_value& processor, std::string_view key) {
  const json_value* pair = processor.find(key);
  const auto* parts = pair ? pair->array() : nullptr;
  const auto id = parts && parts->size() == 2 ? id_of((*parts)[1]) : std::nullopt;
  if (!id) return refuse("{}: post_processor.{} is not a pair of token and id", json_name, key);
  return *id;
}

core::result<void> read_frames(const json_value& document, text_frames& frames) {
  const std::string type = type_of(document, "post_processor");
  if (type == "none") return {};
  const json_value& processor = *member(document, "post_processor");
  if (type == "TemplateProcessing") return read_templates(processor, frames);
  if (type != "BertProcessing")
    return refuse("{}: post_processor '{}' is not supported: TemplateProcessing and BertProcessing are", json_name,
                  type);
  const auto first = read_token_and_id(processor, "cls");
  if (!first) return fail(first.error());
  const auto last = read_token_and_id(processor, "sep");
  if (!last) return fail(last.error());
  frames = bert_frames(*first, *last);
  return {};
}

// ---- vocab.txt
// -----------------------------------------------------------------------------------------------------------

bool is_utf8(std::string_view text) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  for (size_t i = 0; i < text.size();) {
    UChar32 c = 0;
    U8_NEXT(bytes, i, text.size(), c);
    if (c < 0) return false;
  }
  return true;
}

core::result<void> read_lines(std::string_view text, wordpiece_options& options) {
  if (!is_utf8(text)) return refuse("vocab.txt: tokenizer vocabulary is not valid UTF-8");
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    options.vocabulary.emplace_back(line, static_cast<int32_t>(options.vocabulary.size()));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return {};
}

// Written as "[CLS]" or as {"content": "[CLS]", ...}.
core::result<int32_t> special_id(const json_value& config, std::string_view key, std::string token,
                                 const wordpiece_options& options) {
  if (const json_value* value = member(config, key)) {
    auto read =
        value->object() ? read_text(config_name, *value, "content", token) : read_text(config_name, config, key, token);
    if (!read) return fail(read.error());
  }
  const auto id = find_token(options, token);
  if (!id) return refuse("vocab.txt: the tokenizer's {} '{}' is not in the vocabulary", key, printable(token, 60));
  return *id;
}

core::result<void> check_class(const json_value& config) {
  std::string name = "BertTokenizer";
  if (auto read = read_text(config_name, config, "tokenizer_class", name); !read) return read;
  for (const std::string_view known :
       {"BertTokenizer", "BertTokenizerFast", "DistilBertTokenizer", "DistilBertTokenizerFast", "ElectraTokenizer",
        "ElectraTokenizerFast", "PreTrainedTokenizerFast"})
    if (name == known) return {};
  return refuse("{}: tokenizer_class '{}' is not supported with vocab.txt: BertTokenizer is", config_name,
                printable(name, 60));
}

} // namespace

core::result<wordpiece_options> wordpiece_from_json(std::string_view tokenizer_json) {
  auto document = weights::parse_json(tokenizer_json, json_name);
  if (!document) return fail(document.error());
  if (!document->object()) return refuse("{}: {}, expected an object", json_name, document->kind());
  wordpiece_options options;
  if (auto read = read_model(*document, options); !read) return fail(read.error());
  if (auto read = read_text_rules(*document, options.text); !read) return fail(read.error());
  if (auto read = check_added_tokens(*document); !read) return fail(read.error());
  if (auto read = read_frames(*document, options.frames); !read) return fail(read.error());
  return options;
}

core::result<wordpiece_options> wordpiece_from_vocabulary(std::string_view vocabulary,
                                                          std::string_view tokenizer_config) {
  auto config = weights::parse_json(tokenizer_config.empty() ? "{}" : tokenizer_config, config_name);
  if (!config) return fail(config.error());
  if (!config->object()) return refuse("{}: {}, expected an object", config_name, config->kind());
  if (auto known = check_class(*config); !known) return fail(known.error());

  wordpiece_options options;
  if (auto read = read_lines(vocabulary, options); !read) return fail(read.error());
  auto& text = options.text;
  if (auto read = read_flag(config_name, *config, "do_lower_case", text.lowercase); !read) return fail(read.error());
  if (auto read = read_flag(config_name, *config, "tokenize_chinese_chars", text.space_chinese_characters); !read)
    return fail(read.error());
  text.strip_accents = text.lowercase;
  if (auto read = read_flag(config_name, *config, "strip_accents", text.strip_accents); !read)
    return fail(read.error());

  const auto unknown = special_id(*config, "unk_token", "[UNK]", options);
  if (!unknown) return fail(unknown.error());
  const auto first = special_id(*config, "cls_token", "[CLS]", options);
  if (!first) return fail(first.error());
  const auto last = special_id(*config, "sep_token", "[SEP]", options);
  if (!last) return fail(last.error());
  options.unknown_id = *unknown;
  options.frames = bert_frames(*first, *last);
  return options;
}

} // namespace fastptm::engine
