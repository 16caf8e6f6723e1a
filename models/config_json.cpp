// Keys as transformers' BertConfig writes them.
#include "models/config_json.hpp"

#include <array>
#include <limits>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "core/json.hpp"
#include "core/log.hpp"

namespace fastptm::weights {

namespace {

tl::unexpected<core::error> fail(std::string_view why) {
  return core::fail(core::errc::invalid, fmt::format("config.json: {}", why));
}

std::string quoted(const core::json_value& value) {
  return value.string() ? fmt::format("'{}'", core::printable(*value.string(), 60)) : std::string(value.kind());
}

// Reads the keys of config.json; one that is missing gets BertConfig's default and is noted.
class config_reader {
public:
  config_reader(const core::json_value& config, model_config& to) : config_(config), to_(to) {}

  core::result<void> read_count(std::string_view key, uint32_t& field, uint32_t fallback) {
    const auto* value = config_.find(key);
    if (!value) {
      field = fallback;
      to_.defaults.push_back(fmt::format("{} {}", key, fallback));
      return {};
    }
    const auto number = value->unsigned_integer();
    if (!number || *number > std::numeric_limits<uint32_t>::max()) {
      return fail(fmt::format("{} is {}, expected a positive integer below 2^32", key,
                              number ? std::to_string(*number) : quoted(*value)));
    }
    field = static_cast<uint32_t>(*number);
    return {};
  }

  core::result<void> read_counts() {
    auto& arch = to_.arch;
    return read_count("hidden_size", arch.hidden, 768)
        .and_then([&] { return read_count("num_hidden_layers", arch.layers, 12); })
        .and_then([&] { return read_count("num_attention_heads", arch.heads, 12); })
        .and_then([&] { return read_count("intermediate_size", arch.intermediate, 3072); })
        .and_then([&] { return read_count("vocab_size", arch.vocabulary, 30'522); })
        .and_then([&] { return read_count("max_position_embeddings", arch.positions, 512); })
        .and_then([&] { return read_count("type_vocab_size", arch.token_types, 2); });
  }

private:
  const core::json_value& config_;
  model_config& to_;
};

core::result<void> read_family(const core::json_value& config, model_config& model) {
  const auto* value = config.find("model_type");
  model.names_family = value != nullptr;
  if (!value || (value->string() && *value->string() == "bert")) return {};
  return fail(fmt::format("model_type is {}, and only 'bert' is served", quoted(*value)));
}

core::result<void> read_activation(const core::json_value& config, architecture& arch) {
  constexpr std::array<std::pair<std::string_view, activation>, 8> known{{{"gelu", activation::gelu_erf},
                                                                          {"gelu_python", activation::gelu_erf},
                                                                          {"gelu_new", activation::gelu_tanh},
                                                                          {"gelu_fast", activation::gelu_tanh},
                                                                          {"gelu_accurate", activation::gelu_tanh},
                                                                          {"gelu_pytorch_tanh", activation::gelu_tanh},
                                                                          {"gelu_python_tanh", activation::gelu_tanh},
                                                                          {"relu", activation::relu}}};
  const auto* value = config.find("hidden_act");
  if (!value) return {}; // the library's default, gelu, is the architecture's
  for (const auto& [name, act] : known) {
    if (!value->string() || *value->string() != name) continue;
    arch.act = act;
    return {};
  }
  return fail(fmt::format("hidden_act is {}, expected gelu, gelu_new or relu", quoted(*value)));
}

core::result<void> read_epsilon(const core::json_value& config, architecture& arch) {
  const auto* value = config.find("layer_norm_eps");
  if (!value) return {}; // the library's default is the architecture's
  const auto number = value->number();
  if (!number) return fail(fmt::format("layer_norm_eps is {}, expected a number", quoted(*value)));
  arch.layer_norm_eps = *number;
  return {};
}

bool is_empty(const core::json_value& value) {
  return value.is_null() || (value.object() && value.object()->empty()) || (value.array() && value.array()->empty());
}

core::result<void> refuse_other_positions(const core::json_value& config) {
  const auto* value = config.find("position_embedding_type");
  if (!value || (value->string() && *value->string() == "absolute")) return {};
  return fail(fmt::format("position_embedding_type is {}, and only 'absolute' is served", quoted(*value)));
}

// Weights are computed with as fp32; what is stored as less is read exactly.
core::result<void> refuse_other_types(const core::json_value& config) {
  for (const std::string_view key : {"torch_dtype", "dtype"}) {
    const auto* value = config.find(key);
    if (!value || value->is_null()) continue;
    std::string_view name = value->string() ? std::string_view(*value->string()) : std::string_view();
    if (name.starts_with("torch.")) name.remove_prefix(6);
    if (name != "float32" && name != "float16" && name != "bfloat16" && name != "auto")
      return fail(fmt::format("{} is {}, expected float32, float16 or bfloat16", key, quoted(*value)));
  }
  return {};
}

// What would make the same tensors mean something else.
core::result<void> refuse_variants(const core::json_value& config) {
  for (const std::string_view key : {"is_decoder", "add_cross_attention", "is_encoder_decoder"}) {
    const auto* value = config.find(key);
    if (value && !value->is_null() && value->boolean() != false)
      return fail(fmt::format("{} must be false: decoders of this family are not served", key));
  }
  for (const auto& [key, why] : {std::pair("pruned_heads", "layers of different widths are not served"),
                                 {"quantization_config", "quantised weights are not read: publish the original"},
                                 {"auto_map", "code of the folder's own is never run, and without it the weights mean "
                                              "something else"}}) {
    const auto* value = config.find(key);
    if (value && !is_empty(*value)) return fail(fmt::format("{} must be empty: {}", key, why));
  }
  return refuse_other_positions(config).and_then([&] { return refuse_other_types(config); });
}

core::result<void> read_architecture(const core::json_value& config, model_config& model) {
  auto ok = read_family(config, model)
                .and_then([&] { return refuse_variants(config); })
                .and_then([&] { return config_reader(config, model).read_counts(); })
                .and_then([&] { return read_activation(config, model.arch); })
                .and_then([&] { return read_epsilon(config, model.arch); });
  if (!ok) return ok;
  if (auto valid = validate(model.arch); !valid) return fail(valid.error().message);
  return {};
}

// A file without `architectures`, as the small official checkpoints of 2020 have none, describes the encoder.
core::result<void> read_class(const core::json_value& config, model_config& model) {
  const auto* classes = config.find("architectures");
  if (!classes || is_empty(*classes)) return {};
  const auto* list = classes->array();
  if (!list || list->size() != 1 || !list->front().string())
    return fail("architectures must be a list of one class name");
  const std::string& name = *list->front().string();
  if (name == "BertForSequenceClassification") {
    model.kind = task_kind::classify;
    return {};
  }
  for (const std::string_view encoder :
       {"BertModel", "BertForMaskedLM", "BertForPreTraining", "BertForNextSentencePrediction"})
    if (name == encoder) return {};
  return fail(fmt::format("architectures names {}: BertModel, BertForSequenceClassification, BertForMaskedLM and "
                          "BertForPreTraining are served",
                          quoted(list->front())));
}

core::result<void> read_labels(const core::json_value& config, model_config& model) {
  if (model.kind != task_kind::classify) return {};
  auto labels = read_label_config(config);
  if (!labels) return core::fail(labels.error());
  model.labels = std::move(*labels);
  return {};
}

} // namespace

core::result<model_config> parse_model_config(std::string_view text) {
  const auto config = core::parse_json(text, "config.json", {.size_bytes = max_config_bytes});
  if (!config) return core::fail(config.error());
  if (!config->object()) return fail(fmt::format("{}, expected an object", config->kind()));
  model_config model;
  auto ok = read_architecture(*config, model).and_then([&] { return read_class(*config, model); }).and_then([&] {
    return read_labels(*config, model);
  });
  if (!ok) return core::fail(ok.error());
  return model;
}

} // namespace fastptm::weights
