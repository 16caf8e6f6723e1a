// Keys as transformers' BertConfig writes them.
#include <array>

#include <fmt/format.h>

#include "models/bert/family.hpp"
#include "models/config_json.hpp"

namespace fastptm::models::bert {

namespace {

constexpr std::array<std::string_view, 4> encoders{"BertModel", "BertForMaskedLM", "BertForPreTraining",
                                                   "BertForNextSentencePrediction"};

core::result<void> refuse_other_positions(const core::json_value& config) {
  const auto* value = config.find("position_embedding_type");
  if (!value || (value->string() && *value->string() == "absolute")) return {};
  return fail_config(fmt::format("position_embedding_type is {}, and only 'absolute' is served", quoted(*value)));
}

core::result<void> read_numbers(const core::json_value& config, encoder::config& to, described_model& model) {
  const std::array keys{count_key{"hidden_size", to.hidden, 768, encoder::max_hidden},
                        count_key{"num_hidden_layers", to.layers, 12, encoder::max_layers},
                        count_key{"num_attention_heads", to.heads, 12, encoder::max_hidden},
                        count_key{"intermediate_size", to.intermediate, 3072, encoder::max_intermediate},
                        count_key{"vocab_size", to.vocabulary, 30'522, encoder::max_vocabulary},
                        count_key{"max_position_embeddings", to.positions, 512, encoder::max_positions},
                        count_key{"type_vocab_size", to.token_types, 2, encoder::max_token_types}};
  return read_counts(config, keys, model.defaults)
      .and_then([&] { return check_heads("hidden_size", to.hidden, "num_attention_heads", to.heads); })
      .and_then([&] { return read_activation(config, "hidden_act", to.act); })
      .and_then([&] { return read_epsilon(config, "layer_norm_eps", to.layer_norm_eps); });
}

} // namespace

core::result<described_model> family::read(const core::json_value& config) const {
  described_model model;
  encoder::config numbers;
  auto ok = refuse_variants(config).and_then([&] { return refuse_other_positions(config); }).and_then([&] {
    return read_numbers(config, numbers, model);
  });
  if (!ok) return core::fail(ok.error());
  const auto kind = read_class(config, {"BertForSequenceClassification", encoders});
  if (!kind) return core::fail(kind.error());
  model.kind = *kind;
  model.arch = encoder::architecture_of(name(), numbers);
  return model;
}

} // namespace fastptm::models::bert
