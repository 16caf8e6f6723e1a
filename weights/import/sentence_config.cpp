// Keys of the library's Transformer module: those of all versions, then those that came later.
// max_seq_length and do_lower_case for ever, *_args since 2, the task and its outputs since 6.
#include "weights/import/sentence_config.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "core/log.hpp"

namespace fastptm::weights {

namespace {

template <class... Args> tl::unexpected<core::error> refuse(fmt::format_string<Args...> format, Args&&... args) {
  return core::fail(core::errc::invalid,
                    fmt::format("{}: {}", sentence_config_file, fmt::format(format, std::forward<Args>(args)...)));
}

template <size_t n> bool is_one_of(std::string_view name, const std::array<std::string_view, n>& list) {
  return std::ranges::find(list, name) != list.end();
}

constexpr std::array<std::string_view, 6> argument_keys{"model_args",       "model_kwargs", "tokenizer_args",
                                                        "processor_kwargs", "config_args",  "config_kwargs"};
// How, not what, is computed; code of the folder's own is never run.
constexpr std::array<std::string_view, 4> harmless_arguments{"trust_remote_code", "attn_implementation", "torch_dtype",
                                                             "dtype"};

core::result<void> check_arguments(std::string_view key, const core::json_value& value) {
  if (value.is_null()) return {};
  if (!value.object()) return refuse("{} is {}, expected an object", key, value.kind());
  for (const auto& [name, argument] : *value.object())
    if (!is_one_of(name, harmless_arguments))
      return refuse("{}: '{}' is not supported", key, core::printable(name, 60));
  return {};
}

core::result<void> check_word(std::string_view key, const core::json_value& value, std::string_view expected) {
  if (value.is_null() || (value.string() && *value.string() == expected)) return {};
  return refuse("{} is {}, and only '{}' is served here", key,
                value.string() ? core::printable(*value.string(), 60) : value.kind(), expected);
}

// {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}
core::result<void> check_modalities(const core::json_value& value, std::string_view output) {
  if (value.is_null()) return {};
  const core::json_value* text = value.find("text");
  if (!text || value.object()->size() != 1) return refuse("modality_config: only 'text' is served");
  for (const auto& [key, word] : text->object() ? *text->object() : core::json_object()) {
    const bool is_output = key == "method_output_name";
    if (!is_output && key != "method") return refuse("modality_config: '{}' is not known", core::printable(key, 60));
    if (auto ok = check_word(key, word, is_output ? output : "forward"); !ok) return ok;
  }
  return {};
}

core::result<void> check_field(const std::string& key, const core::json_value& value, models::task_kind kind) {
  const bool classifies = kind == models::task_kind::classify;
  if (is_one_of(key, argument_keys)) return check_arguments(key, value);
  if (key == "max_seq_length") return {};
  if (key == "do_lower_case")
    return value.boolean() || value.is_null() ? core::result<void>() : refuse("do_lower_case is {}", value.kind());
  if (key == "transformer_task")
    return check_word(key, value, classifies ? "sequence-classification" : "feature-extraction");
  if (key == "modality_config") return check_modalities(value, classifies ? "logits" : "last_hidden_state");
  if (key == "module_output_name") return check_word(key, value, classifies ? "scores" : "token_embeddings");
  return refuse("the field '{}' is not known", core::printable(key, 60));
}

} // namespace

core::result<sentence_config> parse_sentence_config(const core::json_value& config, models::task_kind kind) {
  if (!config.object()) return refuse("{}, expected an object", config.kind());
  for (const auto& [key, value] : *config.object())
    if (auto ok = check_field(key, value, kind); !ok) return core::fail(ok.error());
  const auto longest = length_in(config, sentence_config_file, "max_seq_length");
  if (!longest) return core::fail(longest.error());
  return sentence_config{*longest};
}

core::result<std::optional<uint32_t>> length_in(const core::json_value& config, std::string_view file,
                                                std::string_view key) {
  if (!config.object())
    return core::fail(core::errc::invalid, fmt::format("{}: {}, expected an object", file, config.kind()));
  const core::json_value* value = config.find(key);
  if (!value || value->is_null()) return std::nullopt;
  const auto number = value->number();
  if (!number || !(*number >= 1))
    return core::fail(core::errc::invalid, fmt::format("{}: {} is not a positive number", file, key));
  return static_cast<uint32_t>(std::min(*number, double{UINT32_MAX}));
}

} // namespace fastptm::weights
