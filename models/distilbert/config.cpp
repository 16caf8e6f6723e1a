// Keys as transformers' DistilBertConfig writes them.
#include <array>

#include "models/config_json.hpp"
#include "models/distilbert/family.hpp"

namespace fastptm::models::distilbert {

namespace {

constexpr std::array<std::string_view, 2> encoders{"DistilBertModel", "DistilBertForMaskedLM"};

core::result<void> read_numbers(const core::json_value& config, encoder::config& to, described_model& model) {
  const std::array keys{count_key{"dim", to.hidden, 768, encoder::max_hidden},
                        count_key{"n_layers", to.layers, 6, encoder::max_layers},
                        count_key{"n_heads", to.heads, 12, encoder::max_hidden},
                        count_key{"hidden_dim", to.intermediate, 3072, encoder::max_intermediate},
                        count_key{"vocab_size", to.vocabulary, 30'522, encoder::max_vocabulary},
                        count_key{"max_position_embeddings", to.positions, 512, encoder::max_positions}};
  return read_counts(config, keys, model.defaults)
      .and_then([&] { return check_heads("dim", to.hidden, "n_heads", to.heads); })
      .and_then([&] { return read_activation(config, "activation", to.act); });
}

} // namespace

// sinusoidal_pos_embds only says how the table of positions began: it is stored like any other.
core::result<described_model> family::read(const core::json_value& config) const {
  described_model model;
  encoder::config numbers; // the norms' epsilon is no key: 1e-12 in the library's code
  numbers.pooler_act = encoder::activation::relu;
  auto ok = refuse_variants(config).and_then([&] { return read_numbers(config, numbers, model); });
  if (!ok) return core::fail(ok.error());
  const auto kind = read_class(config, {"DistilBertForSequenceClassification", encoders});
  if (!kind) return core::fail(kind.error());
  model.kind = *kind;
  model.arch = encoder::architecture_of(name(), numbers);
  return model;
}

} // namespace fastptm::models::distilbert
