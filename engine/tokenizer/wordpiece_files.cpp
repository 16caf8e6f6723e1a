// The order is the library's: the tokenizer's own file, then the class's rules for text, then tokens that are missing.
#include "engine/tokenizer/wordpiece_files.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include <unicode/utf8.h>

#include "core/log.hpp"
#include "engine/tokenizer/declared_tokens.hpp"
#include "engine/tokenizer/json_reading.hpp"
#include "engine/tokenizer/library_config.hpp"
#include "engine/tokenizer/wordpiece_json.hpp"

namespace fastptm::engine {
namespace {

using core::fail;
using core::json_value;
using core::printable;

bool is_utf8(std::string_view text) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  for (size_t i = 0; i < text.size();) {
    UChar32 c = 0;
    U8_NEXT(bytes, i, text.size(), c);
    if (c < 0) return false;
  }
  return true;
}

// A line ends as Python's text files end one: \n, \r\n, or \r alone.
core::result<void> read_lines(std::string_view text, wordpiece_options& options) {
  if (!is_utf8(text)) return refuse("{}: tokenizer vocabulary is not valid UTF-8", vocabulary_name);
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of("\r\n"), text.size());
    options.vocabulary.emplace_back(text.substr(0, end), static_cast<int32_t>(options.vocabulary.size()));
    text.remove_prefix(end);
    text.remove_prefix(text.starts_with("\r\n") ? 2 : std::min<size_t>(text.size(), 1));
  }
  return {};
}

core::result<int32_t> id_of_role(const declared_tokens& declared, std::string_view role,
                                 const wordpiece_options& options) {
  const auto token = declared.roles.find(role);
  if (token == declared.roles.end()) return refuse("{}: {} is null", tokenizer_config_name, role);
  const auto id = options.find(token->second);
  if (!id)
    return refuse("{}: the tokenizer's {} '{}' is not in the vocabulary", vocabulary_name, role,
                  printable(token->second, 60));
  return *id;
}

core::result<wordpiece_options> from_vocabulary(const tokenizer_texts& texts, const declared_tokens& declared) {
  wordpiece_options options;
  if (auto read = read_lines(texts.vocabulary, options); !read) return fail(read.error());
  const auto unknown = id_of_role(declared, "unk_token", options);
  if (!unknown) return fail(unknown.error());
  const auto first = id_of_role(declared, "cls_token", options);
  if (!first) return fail(first.error());
  const auto last = id_of_role(declared, "sep_token", options);
  if (!last) return fail(last.error());
  options.unknown_id = *unknown;
  options.frames = bert_frames(*first, *last);
  return options;
}

// A token that only has a role may be missing from the embeddings: a text that spells it out is refused then, others
// are served, as with the library.
void mark_implied(const std::vector<added_token>& listed, const declared_tokens& declared,
                  std::vector<known_token>& tokens) {
  std::set<std::string_view> implied;
  for (const auto& [role, content] : declared.roles) implied.insert(content);
  for (const auto& token : listed) implied.erase(token.content);
  for (const auto& [index, token] : declared.added) implied.erase(token.content);
  for (auto& token : tokens) token.implied = implied.contains(token.content);
}

// What is nothing once it is normalised would be found between any two bytes.
core::result<void> check_normalised(const std::vector<known_token>& tokens, const bert_text_options& rules) {
  std::string normalised;
  size_t bytes = 0;
  for (const auto& token : tokens) {
    if (!token.normalized) continue;
    normalised.clear();
    bert_normalise(token.content, rules, normalised);
    if (normalised.empty())
      return refuse("added token '{}' is nothing once it is normalised", printable(token.content, 60));
    bytes += normalised.size();
  }
  if (bytes > added_tokens::most_bytes)
    return refuse("added tokens: more than {} bytes in all once they are normalised", added_tokens::most_bytes);
  return {};
}

core::result<void> add_tokens(const json_value* tokenizer_json, const declared_tokens& declared,
                              wordpiece_options& options) {
  std::unordered_map<std::string_view, int32_t> vocabulary;
  for (const auto& [token, id] : options.vocabulary) vocabulary.insert_or_assign(token, id);
  added_tokens tokens(vocabulary);
  std::vector<added_token> listed;
  if (tokenizer_json) {
    auto read = read_added_list(*tokenizer_json);
    if (!read) return fail(read.error());
    listed = std::move(*read);
  }
  if (auto added = tokens.add(listed); !added) return added;
  if (auto added = tokens.add(missing_tokens(declared, tokens)); !added) return added;
  options.added = tokens.known();
  mark_implied(listed, declared, options.added);
  return check_normalised(options.added, options.added_text);
}

// The library's version 4 normalises added tokens by the rules of
// tokenizer.json before a class sets its own, and so they stay.
void apply(const library_config& config, bool has_json, wordpiece_options& options) {
  options.added_text = options.text;
  if (config.is_bert || !has_json) {
    options.text.lowercase = config.lowercase;
    options.text.strip_accents = config.strip_accents;
    options.text.space_chinese_characters = config.space_chinese_characters;
  }
  if (!has_json) options.added_text = options.text;
  options.cuts_left = config.cuts_left.value_or(options.cuts_left);
  options.gives_token_types = config.gives_token_types;
  options.special_is_text = config.special_is_text;
}

// sentence-transformers lower-cases the text itself when its configuration says so; accents stay then.
core::result<bool> lowercases_first(const tokenizer_texts& texts) {
  const auto config = parse_object(texts.sentence_config, sentence_config_name);
  if (!config) return fail(config.error());
  bool flag = false;
  if (auto read = read_flag(sentence_config_name, *config, "do_lower_case", flag); !read) return fail(read.error());
  return flag;
}

// Models that were published before the files beside the tokenizer counted: tokenizer.json alone decides, nothing is
// added, a text loses its end.
void keep_to_first_rules(wordpiece_options& options, bool has_json) {
  if (has_json) options.text = options.added_text;
  options.added.clear();
  options.cuts_left = false;
  if (options.lowercases_first) options.text.lowercase = true;
  options.lowercases_first = false;
}

} // namespace

core::result<wordpiece_options> wordpiece_from_files(const tokenizer_texts& texts) {
  const auto config = parse_object(texts.tokenizer_config, tokenizer_config_name);
  if (!config) return fail(config.error());
  const auto library = read_library_config(texts, *config);
  if (!library) return fail(library.error());
  std::optional<json_value> document;
  if (!texts.tokenizer_json.empty()) {
    auto parsed = parse_object(texts.tokenizer_json, tokenizer_json_name);
    if (!parsed) return fail(parsed.error());
    document = std::move(*parsed);
  }
  const json_value* json = document ? &*document : nullptr;
  const auto declared = read_declared_tokens(texts, *config, json, library->is_bert);
  if (!declared) return fail(declared.error());
  auto options = json ? wordpiece_from_json(*json) : from_vocabulary(texts, *declared);
  if (!options) return fail(options.error());
  apply(*library, json != nullptr, *options);
  if (auto added = add_tokens(json, *declared, *options); !added) return fail(added.error());
  const auto lower = lowercases_first(texts);
  if (!lower) return fail(lower.error());
  options->lowercases_first = *lower;
  if (texts.spelled_out == special_tokens::text) options->special_is_text = true;
  if (texts.by_first_rules) keep_to_first_rules(*options, json != nullptr);
  return options;
}

} // namespace fastptm::engine
