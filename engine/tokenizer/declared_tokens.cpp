// The order of everything here decides ids, so it is the library's.
// Its sources: tokenization_utils_base.py, tokenization_utils_fast.py.
#include "engine/tokenizer/declared_tokens.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "core/log.hpp"
#include "engine/tokenizer/json_reading.hpp"

namespace fastptm::engine {
namespace {

using core::fail;
using core::json_value;
using core::printable;

struct role {
  std::string_view name;
  std::string_view bert; // empty: BERT has none
};
constexpr std::array<role, 7> roles = {{{"bos_token", ""},
                                        {"eos_token", ""},
                                        {"unk_token", "[UNK]"},
                                        {"sep_token", "[SEP]"},
                                        {"pad_token", "[PAD]"},
                                        {"cls_token", "[CLS]"},
                                        {"mask_token", "[MASK]"}}};
constexpr std::string_view additional = "additional_special_tokens";

// Each content once, in the order of coming.
class token_list {
public:
  void add(special_token token) {
    if (!token.content.empty() && contents_.insert(token.content).second) tokens_.push_back(std::move(token));
  }
  bool has(const std::string& content) const { return contents_.contains(content); }
  const std::vector<special_token>& tokens() const { return tokens_; }

private:
  std::vector<special_token> tokens_;
  std::set<std::string> contents_;
};

struct special_roles {
  std::map<std::string, special_token, std::less<>> by_role;
  token_list additional;
};

// A string, or an object with rules.
core::result<special_token> read_special(std::string_view file, std::string_view key, const json_value& value) {
  if (value.string()) return special_token{*value.string(), std::nullopt};
  if (!value.object()) return refuse("{}: {} is {}: expected a token", file, key, value.kind());
  auto rules = read_added_token(file, value);
  if (!rules) return fail(rules.error());
  return special_token{rules->content, std::move(*rules)};
}

core::result<void> read_list(std::string_view file, std::string_view key, const json_value& value, token_list& to) {
  std::vector<const json_value*> tokens;
  if (value.array())
    for (const json_value& each : *value.array()) tokens.push_back(&each);
  else if (value.object())
    for (const auto& [name, each] : *value.object()) tokens.push_back(&each);
  else
    return refuse("{}: {} is {}: expected a list of tokens", file, key, value.kind());
  for (const json_value* each : tokens) {
    auto token = read_special(file, key, *each);
    if (!token) return fail(token.error());
    to.add(std::move(*token));
  }
  return {};
}

core::result<void> read_roles(std::string_view file, const json_value& from, special_roles& to) {
  for (const auto& [name, bert] : roles) {
    const json_value* value = from.find(name);
    if (!value) continue;
    if (value->is_null()) {
      to.by_role.erase(std::string(name));
      continue;
    }
    auto token = read_special(file, name, *value);
    if (!token) return fail(token.error());
    to.by_role.insert_or_assign(std::string(name), std::move(*token));
  }
  const json_value* more = member(from, additional);
  return more ? read_list(file, additional, *more, to.additional) : core::result<void>();
}

// In that file every token is special, whatever it says.
core::result<void> read_special_map(const tokenizer_texts& texts, special_roles& to) {
  const auto map = parse_object(texts.special_tokens_map, special_tokens_map_name);
  if (!map) return fail(map.error());
  special_roles read;
  if (auto done = read_roles(special_tokens_map_name, *map, read); !done) return done;
  const auto specially = [](special_token token) {
    if (token.rules) token.rules->special = true;
    return token;
  };
  for (auto& [name, token] : read.by_role) to.by_role.insert_or_assign(name, specially(std::move(token)));
  for (const auto& token : read.additional.tokens()) to.additional.add(specially(token));
  return {};
}

// {"340": {"content": ...}, ...}
core::result<void> read_decoder(const json_value& decoder, std::map<int64_t, added_token>& to) {
  if (!decoder.object())
    return refuse("{}: added_tokens_decoder is {}: expected an object", tokenizer_config_name, decoder.kind());
  for (const auto& [key, value] : *decoder.object()) {
    int64_t index = 0;
    const auto [end, trouble] = std::from_chars(key.data(), key.data() + key.size(), index);
    if (trouble != std::errc() || end != key.data() + key.size())
      return refuse("{}: added_tokens_decoder: '{}' is no id", tokenizer_config_name, printable(key, 60));
    auto token = read_added_token(tokenizer_config_name, value);
    if (!token) return fail(token.error());
    to.insert_or_assign(index, std::move(*token));
  }
  return {};
}

// {"covid-19": 340, ...}: special where a role or the list of additional ones says so.
core::result<void> read_added_file(const tokenizer_texts& texts, const special_roles& special,
                                   std::map<int64_t, added_token>& to) {
  const auto file = parse_object(texts.added_tokens, added_tokens_name);
  if (!file) return fail(file.error());
  std::set<std::string_view> by_role;
  for (const auto& [name, token] : special.by_role) by_role.insert(token.content);
  for (const auto& [content, value] : *file->object()) {
    const auto index = value.integer();
    if (!index) return refuse("{}: the id of '{}' is no integer", added_tokens_name, printable(content, 60));
    const bool is_special = by_role.contains(content) || special.additional.has(content);
    to.insert_or_assign(*index, added_token{.content = content, .normalized = !is_special, .special = is_special});
  }
  return {};
}

core::result<void> read_older_files(const tokenizer_texts& texts, const json_value* tokenizer_json,
                                    special_roles& special, std::map<int64_t, added_token>& to,
                                    std::map<std::string, added_token, std::less<>>& by_content) {
  if (auto read = read_special_map(texts, special); !read) return read;
  if (auto read = read_added_file(texts, special, to); !read) return read;
  const json_value* list = tokenizer_json ? member(*tokenizer_json, "added_tokens") : nullptr;
  if (!list || !list->array()) return {};
  for (const json_value& value : *list->array()) {
    auto token = read_added_token(tokenizer_json_name, value);
    if (!token) return fail(token.error());
    const json_value* id = value.find("id");
    if (!id || !id_of(*id))
      return refuse("{}: added_tokens: the id of '{}' is no integer from 0 to 2^31-1", tokenizer_json_name,
                    printable(token->content, 60));
    by_content.insert_or_assign(token->content, *token);
    to.insert_or_assign(*id_of(*id), std::move(*token));
  }
  return {};
}

// In the order of the roles, then the additional ones.
std::vector<special_token> in_order(const special_roles& from) {
  token_list all;
  for (const auto& [name, bert] : roles)
    if (const auto found = from.by_role.find(name); found != from.by_role.end()) all.add(found->second);
  for (const auto& token : from.additional.tokens()) all.add(token);
  return all.tokens();
}

special_roles usual_roles(bool is_bert) {
  special_roles usual;
  for (const auto& [name, bert] : roles)
    if (is_bert && !bert.empty()) usual.by_role.try_emplace(std::string(name), special_token{std::string(bert), {}});
  return usual;
}

} // namespace

core::result<added_token> read_added_token(std::string_view file, const json_value& from) {
  added_token token;
  const json_value* content = from.find("content");
  if (!content || !content->string()) return refuse("{}: an added token has no `content`", file);
  token.content = *content->string();
  for (const auto& [key, flag] : {std::pair{"single_word", &token.single_word}, std::pair{"lstrip", &token.strips_left},
                                  std::pair{"rstrip", &token.strips_right}, std::pair{"special", &token.special}})
    if (auto read = read_flag(file, from, key, *flag); !read) return fail(read.error());
  token.normalized = !token.special;
  if (auto read = read_flag(file, from, "normalized", token.normalized); !read) return fail(read.error());
  return token;
}

core::result<std::vector<added_token>> read_added_list(const json_value& tokenizer_json) {
  std::vector<added_token> all;
  const json_value* list = member(tokenizer_json, "added_tokens");
  if (!list) return all;
  if (!list->array()) return refuse("{}: added_tokens is {}: expected a list", tokenizer_json_name, list->kind());
  for (const json_value& value : *list->array()) {
    auto token = read_added_token(tokenizer_json_name, value);
    if (!token) return fail(token.error());
    all.push_back(std::move(*token));
  }
  return all;
}

core::result<declared_tokens> read_declared_tokens(const tokenizer_texts& texts, const json_value& config,
                                                   const json_value* tokenizer_json, bool is_bert) {
  special_roles special = usual_roles(is_bert);
  if (auto read = read_roles(tokenizer_config_name, config, special); !read) return fail(read.error());

  declared_tokens declared;
  std::map<std::string, added_token, std::less<>> by_content;
  if (const json_value* decoder = member(config, "added_tokens_decoder")) {
    if (auto read = read_decoder(*decoder, declared.added); !read) return fail(read.error());
    for (const auto& [index, token] : declared.added) by_content.insert_or_assign(token.content, token);
  } else if (auto read = read_older_files(texts, tokenizer_json, special, declared.added, by_content); !read) {
    return fail(read.error());
  }
  for (auto& [name, token] : special.by_role)
    if (const auto found = by_content.find(token.content); found != by_content.end()) token.rules = found->second;

  if (const json_value* extra = member(config, "extra_special_tokens"))
    if (auto read = read_list(tokenizer_config_name, "extra_special_tokens", *extra, special.additional); !read)
      return fail(read.error());
  for (const auto& [name, token] : special.by_role) declared.roles.emplace(name, token.content);
  declared.special = in_order(special);
  return declared;
}

std::vector<added_token> missing_tokens(const declared_tokens& declared, const added_tokens& already) {
  std::map<std::string_view, size_t> in_batch; // where each content stands
  std::vector<added_token> batch;
  for (const auto& [index, token] : declared.added) {
    in_batch.insert_or_assign(token.content, batch.size());
    batch.push_back(token);
  }
  for (const auto& [content, rules] : declared.special) {
    const auto there = in_batch.find(content);
    if (!rules && (already.has(content) || there != in_batch.end())) continue;
    const auto token = rules.value_or(added_token{.content = content, .special = true});
    if (there == in_batch.end() || batch[there->second] != token) batch.push_back(token);
  }
  std::set<std::string_view> special;
  for (const auto& token : declared.special) special.insert(token.content);
  for (auto& token : batch) token.special = token.special || special.contains(token.content);
  return batch;
}

} // namespace fastptm::engine
