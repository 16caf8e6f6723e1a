// Keys as transformers' BertConfig writes them.
#include "weights/model_config.hpp"

#include <array>
#include <limits>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "core/log.hpp"
#include "weights/json.hpp"

namespace fastptm::weights {

namespace {

tl::unexpected<core::error> fail(std::string_view why) {
  return core::fail(core::errc::invalid, fmt::format("config.json: {}", why));
}

std::string quoted(const json_value& value) {
  return value.string() ? fmt::format("'{}'", core::printable(*value.string(), 60)) : std::string(value.kind());
}

core::result<void> read_count(const json_value& config, std::string_view key, uint32_t& to,
                              std::optional<uint32_t> fallback = {}) {
  const auto* value = config.find(key);
  if (!value && fallback) {
    to = *fallback;
    return {};
  }
  if (!value) return fail(fmt::format("{} is missing", key));
  const auto number = value->unsigned_integer();
  if (!number || *number > std::numeric_limits<uint32_t>::max()) {
    return fail(fmt::format("{} is {}, expected a positive integer below 2^32", key,
                            number ? std::to_string(*number) : quoted(*value)));
  }
  to = static_cast<uint32_t>(*number);
  return {};
}

core::result<void> read_family(const json_value& config) {
  const auto* value = config.find("model_type");
  if (!value) return fail("model_type is missing");
  if (!value->string() || *value->string() != "bert") {
    return fail(fmt::format("model_type is {}, and only 'bert' is served", quoted(*value)));
  }
  return {};
}

core::result<void> read_activation(const json_value& config, architecture& arch) {
  constexpr std::array<std::pair<std::string_view, activation>, 6> known{{{"gelu", activation::gelu_erf},
                                                                          {"gelu_python", activation::gelu_erf},
                                                                          {"gelu_new", activation::gelu_tanh},
                                                                          {"gelu_fast", activation::gelu_tanh},
                                                                          {"gelu_pytorch_tanh", activation::gelu_tanh},
                                                                          {"relu", activation::relu}}};
  const auto* value = config.find("hidden_act");
  if (!value) return fail("hidden_act is missing");
  for (const auto& [name, act] : known) {
    if (!value->string() || *value->string() != name) continue;
    arch.act = act;
    return {};
  }
  return fail(fmt::format("hidden_act is {}, expected gelu, gelu_new or relu", quoted(*value)));
}

core::result<void> read_epsilon(const json_value& config, architecture& arch) {
  const auto* value = config.find("layer_norm_eps");
  if (!value) return {}; // the library's default is the architecture's
  const auto number = value->number();
  if (!number) return fail(fmt::format("layer_norm_eps is {}, expected a number", quoted(*value)));
  arch.layer_norm_eps = *number;
  return {};
}

// What would make the same tensors mean something else.
core::result<void> refuse_variants(const json_value& config) {
  const auto* positions = config.find("position_embedding_type");
  if (positions && !(positions->string() && *positions->string() == "absolute")) {
    return fail(fmt::format("position_embedding_type is {}, and only 'absolute' is served", quoted(*positions)));
  }
  for (const std::string_view key : {"is_decoder", "add_cross_attention"}) {
    const auto* value = config.find(key);
    if (value && value->boolean() != false)
      return fail(fmt::format("{} must be false: decoders of this family are not served", key));
  }
  const auto* pruned = config.find("pruned_heads");
  if (pruned && !(pruned->object() && pruned->object()->empty())) return fail("pruned_heads must be empty");
  return {};
}

core::result<architecture> read_architecture(const json_value& config) {
  architecture arch;
  auto ok = read_family(config)
                .and_then([&] { return refuse_variants(config); })
                .and_then([&] { return read_count(config, "hidden_size", arch.hidden); })
                .and_then([&] { return read_count(config, "num_hidden_layers", arch.layers); })
                .and_then([&] { return read_count(config, "num_attention_heads", arch.heads); })
                .and_then([&] { return read_count(config, "intermediate_size", arch.intermediate); })
                .and_then([&] { return read_count(config, "vocab_size", arch.vocabulary); })
                .and_then([&] { return read_count(config, "max_position_embeddings", arch.positions); })
                .and_then([&] { return read_count(config, "type_vocab_size", arch.token_types, 2); })
                .and_then([&] { return read_activation(config, arch); })
                .and_then([&] { return read_epsilon(config, arch); });
  if (!ok) return core::fail(ok.error());
  if (auto valid = validate(arch); !valid) return fail(valid.error().message);
  return arch;
}

core::result<void> read_class(const json_value& config, model_config& model) {
  const auto* classes = config.find("architectures");
  if (!classes || classes->is_null()) return {};
  const auto* list = classes->array();
  if (!list || list->size() != 1 || !list->front().string())
    return fail("architectures must be a list of one class name");
  const std::string& name = *list->front().string();
  if (name == "BertModel") return {};
  if (name == "BertForSequenceClassification") {
    model.kind = task_kind::classify;
    return {};
  }
  if (name == "BertForMaskedLM" || name == "BertForPreTraining" || name == "BertForNextSentencePrediction") {
    model.has_pretraining_head = true;
    return {};
  }
  return fail(fmt::format("architectures names {}: BertModel, BertForSequenceClassification, BertForMaskedLM and "
                          "BertForPreTraining are served",
                          quoted(list->front())));
}

core::result<void> read_labels(const json_value& config, model_config& model) {
  const auto* labels = config.find("id2label");
  if (!labels || labels->is_null()) return {};
  if (!labels->object() || labels->object()->size() > max_labels) {
    return fail(fmt::format("id2label must be an object of at most {} names", max_labels));
  }
  model.label_count = static_cast<uint32_t>(labels->object()->size());
  return {};
}

} // namespace

core::result<model_config> parse_model_config(std::string_view text) {
  const auto config = parse_json(text, "config.json", {.size_bytes = max_config_bytes});
  if (!config) return core::fail(config.error());
  if (!config->object()) return fail(fmt::format("{}, expected an object", config->kind()));
  const auto arch = read_architecture(*config);
  if (!arch) return core::fail(arch.error());
  model_config model;
  model.arch = *arch;
  if (auto ok = read_class(*config, model).and_then([&] { return read_labels(*config, model); }); !ok)
    return core::fail(ok.error());
  return model;
}

} // namespace fastptm::weights
