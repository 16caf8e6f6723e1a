// Classes of transformers 4.57 and 5.24.
// What only other classes read (MeCab's settings, say) is refused too: a folder that has it was made for one of them.
#include "engine/tokenizer/library_config.hpp"

#include <algorithm>
#include <array>

#include "core/log.hpp"
#include "engine/tokenizer/json_reading.hpp"

namespace fastptm::engine {
namespace {

using core::fail;
using core::json_value;
using core::printable;

struct tokenizer_class {
  std::string_view name; // without the ending "Fast"
  bool is_bert;
  bool gives_token_types;
};
constexpr std::array<tokenizer_class, 5> classes = {{{"BertTokenizer", true, true},
                                                     {"DistilBertTokenizer", true, false},
                                                     {"ElectraTokenizer", true, true},
                                                     {"PreTrainedTokenizer", false, true},
                                                     {"TokenizersBackend", false, true}}};

core::result<void> read_class(const tokenizer_texts& texts, const json_value& config, library_config& to) {
  std::string name = texts.model_class.empty() ? "BertTokenizer" : texts.model_class;
  std::string_view file = texts.model_class.empty() ? tokenizer_config_name : model_config_name;
  if (member(config, "tokenizer_class")) file = tokenizer_config_name;
  if (auto read = read_text(tokenizer_config_name, config, "tokenizer_class", name); !read) return read;
  std::string_view plain = name;
  if (plain.ends_with("Fast")) plain.remove_suffix(4);
  const auto known =
      std::find_if(classes.begin(), classes.end(), [&](const tokenizer_class& each) { return each.name == plain; });
  if (known == classes.end())
    return refuse("{}: tokenizer_class '{}' is not supported: BertTokenizer, DistilBertTokenizer, ElectraTokenizer and "
                  "PreTrainedTokenizerFast are",
                  file, printable(name, 60));
  if (!known->is_bert && texts.tokenizer_json.empty())
    return refuse("{}: tokenizer_class '{}' needs tokenizer.json, which is missing", file, printable(name, 60));
  to.is_bert = known->is_bert;
  to.gives_token_types = known->gives_token_types;
  return {};
}

// A setting that must have this value where it stands.
core::result<void> require_text(const json_value& config, std::string_view key, std::string_view only) {
  std::string value(only);
  if (auto read = read_text(tokenizer_config_name, config, key, value); !read) return read;
  if (value == only) return {};
  return refuse("{}: {} '{}' is not supported: {} is", tokenizer_config_name, key, printable(value, 60), only);
}

core::result<void> require_flag(const json_value& config, std::string_view key, bool only) {
  bool value = only;
  if (auto read = read_flag(tokenizer_config_name, config, key, value); !read) return read;
  if (value == only) return {};
  return refuse("{}: {}: {} is not supported", tokenizer_config_name, key, value);
}

// Neither there nor empty.
core::result<void> require_nothing(const json_value& config, std::string_view key) {
  const json_value* value = member(config, key);
  if (!value || (value->array() && value->array()->empty()) || (value->object() && value->object()->empty())) return {};
  return refuse("{}: {} is not supported", tokenizer_config_name, key);
}

core::result<void> refuse_unknown_ways(const json_value& config) {
  for (const auto& [key, only] :
       {std::pair{"word_tokenizer_type", "basic"}, std::pair{"subword_tokenizer_type", "wordpiece"},
        std::pair{"wordpieces_prefix", "##"}})
    if (auto good = require_text(config, key, only); !good) return good;
  for (const auto& [key, only] : {std::pair{"do_basic_tokenize", true}, std::pair{"do_word_tokenize", true},
                                  std::pair{"do_subword_tokenize", true}, std::pair{"normalization", false},
                                  std::pair{"add_bos_token", false}, std::pair{"add_eos_token", false}})
    if (auto good = require_flag(config, key, only); !good) return good;
  for (const std::string_view key :
       {"never_split", "mecab_kwargs", "sudachi_kwargs", "jumanpp_kwargs", "sp_model_kwargs", "fast_tokenizer_files"})
    if (auto good = require_nothing(config, key); !good) return good;
  const json_value* own_code = member(config, "auto_map");
  if (own_code && own_code->find("AutoTokenizer"))
    return refuse(
        "{}: auto_map names a tokenizer in code of the model's own, which is never run: publish it without, or "
        "send token ids",
        tokenizer_config_name);
  return {};
}

core::result<void> read_input_names(const json_value& config, bool& gives_token_types) {
  const json_value* names = member(config, "model_input_names");
  if (!names) return {};
  if (!names->array())
    return refuse("{}: model_input_names is {}: expected a list", tokenizer_config_name, names->kind());
  gives_token_types = std::any_of(names->array()->begin(), names->array()->end(), [](const json_value& name) {
    return name.string() && *name.string() == "token_type_ids";
  });
  return {};
}

core::result<void> read_side(const json_value& config, std::optional<bool>& cuts_left) {
  std::string side;
  if (auto read = read_text(tokenizer_config_name, config, "truncation_side", side); !read) return read;
  if (side.empty()) return {};
  if (side != "left" && side != "right")
    return refuse("{}: truncation_side '{}': expected left or right", tokenizer_config_name, printable(side, 60));
  cuts_left = side == "left";
  return {};
}

} // namespace

core::result<library_config> read_library_config(const tokenizer_texts& texts, const json_value& config) {
  library_config read;
  if (!texts.by_first_rules) {
    if (auto done = read_class(texts, config, read); !done) return fail(done.error());
    if (auto good = refuse_unknown_ways(config); !good) return fail(good.error());
  }
  for (const auto& [key, flag] : {std::pair{"do_lower_case", &read.lowercase},
                                  std::pair{"tokenize_chinese_chars", &read.space_chinese_characters},
                                  std::pair{"split_special_tokens", &read.special_is_text}})
    if (auto done = read_flag(tokenizer_config_name, config, key, *flag); !done) return fail(done.error());
  read.strip_accents = read.lowercase; // what null means
  if (auto done = read_flag(tokenizer_config_name, config, "strip_accents", read.strip_accents); !done)
    return fail(done.error());
  if (auto done = read_input_names(config, read.gives_token_types); !done) return fail(done.error());
  if (auto done = read_side(config, read.cuts_left); !done) return fail(done.error());
  return read;
}

} // namespace fastptm::engine
