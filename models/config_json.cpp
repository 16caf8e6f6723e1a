// Keys, defaults and refusals that families share.
#include "models/config_json.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "core/log.hpp"

namespace fastptm::models {

namespace {

// Weights are computed with as fp32; what is stored as less is read exactly.
core::result<void> refuse_other_types(const core::json_value& config) {
  for (const std::string_view key : {"torch_dtype", "dtype"}) {
    const auto* value = config.find(key);
    if (!value || value->is_null()) continue;
    std::string_view name = value->string() ? std::string_view(*value->string()) : std::string_view();
    if (name.starts_with("torch.")) name.remove_prefix(6);
    if (name != "float32" && name != "float16" && name != "bfloat16" && name != "auto")
      return fail_config(fmt::format("{} is {}, expected float32, float16 or bfloat16", key, quoted(*value)));
  }
  return {};
}

core::result<void> read_count(const core::json_value& config, const count_key& wanted,
                              std::vector<std::string>& defaults) {
  const auto* value = config.find(wanted.key);
  if (!value) {
    wanted.field = wanted.by_default;
    defaults.push_back(fmt::format("{} {}", wanted.key, wanted.by_default));
    return {};
  }
  const auto number = value->unsigned_integer();
  if (!number || *number < wanted.least || *number > wanted.most) {
    return fail_config(fmt::format("{} is {}, expected {} to {}", wanted.key,
                                   number ? std::to_string(*number) : quoted(*value), wanted.least, wanted.most));
  }
  wanted.field = static_cast<uint32_t>(*number);
  return {};
}

} // namespace

tl::unexpected<core::error> fail_config(std::string_view why) {
  return core::fail(core::errc::invalid, fmt::format("config.json: {}", why));
}

std::string quoted(const core::json_value& value) {
  return value.string() ? fmt::format("'{}'", core::printable(*value.string(), 60)) : std::string(value.kind());
}

bool is_empty(const core::json_value& value) {
  return value.is_null() || (value.object() && value.object()->empty()) || (value.array() && value.array()->empty());
}

core::result<void> read_counts(const core::json_value& config, std::span<const count_key> keys,
                               std::vector<std::string>& defaults) {
  for (const auto& wanted : keys)
    if (auto ok = read_count(config, wanted, defaults); !ok) return ok;
  return {};
}

core::result<void> check_heads(std::string_view width_key, uint32_t width, std::string_view heads_key, uint32_t heads) {
  if (width % heads == 0) return {};
  return fail_config(fmt::format("{} {} is not divisible by {} {}", width_key, width, heads_key, heads));
}

core::result<void> read_activation(const core::json_value& config, std::string_view key, encoder::activation& act) {
  constexpr std::array<std::pair<std::string_view, encoder::activation>, 8> known{
      {{"gelu", encoder::activation::gelu_erf},
       {"gelu_python", encoder::activation::gelu_erf},
       {"gelu_new", encoder::activation::gelu_tanh},
       {"gelu_fast", encoder::activation::gelu_tanh},
       {"gelu_accurate", encoder::activation::gelu_tanh},
       {"gelu_pytorch_tanh", encoder::activation::gelu_tanh},
       {"gelu_python_tanh", encoder::activation::gelu_tanh},
       {"relu", encoder::activation::relu}}};
  const auto* value = config.find(key);
  if (!value) return {};
  for (const auto& [name, meant] : known) {
    if (!value->string() || *value->string() != name) continue;
    act = meant;
    return {};
  }
  return fail_config(fmt::format("{} is {}, expected gelu, gelu_new or relu", key, quoted(*value)));
}

core::result<void> read_epsilon(const core::json_value& config, std::string_view key, double& epsilon) {
  const auto* value = config.find(key);
  if (!value) return {};
  const auto number = value->number();
  if (!number || !(*number > 0 && *number < 1))
    return fail_config(fmt::format("{} is {}, expected a number between 0 and 1", key,
                                   number ? fmt::format("{}", *number) : quoted(*value)));
  epsilon = *number;
  return {};
}

core::result<void> refuse_variants(const core::json_value& config) {
  for (const std::string_view key : {"is_decoder", "add_cross_attention", "is_encoder_decoder"}) {
    const auto* value = config.find(key);
    if (value && !value->is_null() && value->boolean() != false)
      return fail_config(fmt::format("{} must be false: decoders of this family are not served", key));
  }
  for (const auto& [key, why] : {std::pair("pruned_heads", "layers of different widths are not served"),
                                 {"quantization_config", "quantised weights are not read: publish the original"},
                                 {"auto_map", "code of the folder's own is never run, and without it the weights mean "
                                              "something else"}}) {
    const auto* value = config.find(key);
    if (value && !is_empty(*value)) return fail_config(fmt::format("{} must be empty: {}", key, why));
  }
  return refuse_other_types(config);
}

core::result<core::task_kind> read_class(const core::json_value& config, const served_classes& served) {
  const auto* classes = config.find("architectures");
  if (!classes || is_empty(*classes)) return core::task_kind::embed;
  const auto* list = classes->array();
  if (!list || list->size() != 1 || !list->front().string())
    return fail_config("architectures must be a list of one class name");
  const std::string& name = *list->front().string();
  if (name == served.classifier) return core::task_kind::classify;
  if (std::ranges::find(served.encoders, name) != served.encoders.end()) return core::task_kind::embed;
  return fail_config(fmt::format("architectures names {}: {}, {} are served", quoted(list->front()), served.classifier,
                                 fmt::join(served.encoders, ", ")));
}

} // namespace fastptm::models
