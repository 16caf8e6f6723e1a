// Bounds and facts of an encoder's numbers.
#include "models/encoder/config.hpp"

#include <fmt/format.h>

#include "models/canonical.hpp"

namespace fastptm::models::encoder {

namespace {

struct bounded {
  std::string_view name;
  uint32_t value;
  uint32_t least;
  uint32_t most;
};

} // namespace

core::result<void> validate(const config& of) {
  for (const bounded& field :
       {bounded{"the hidden size", of.hidden, 1, max_hidden}, bounded{"the number of layers", of.layers, 1, max_layers},
        bounded{"the number of attention heads", of.heads, 1, max_hidden},
        bounded{"the intermediate size", of.intermediate, 1, max_intermediate},
        bounded{"the vocabulary size", of.vocabulary, 1, max_vocabulary},
        bounded{"the number of positions", of.positions, 1, max_positions},
        bounded{"the number of token types", of.token_types, 0, max_token_types}}) {
    if (field.value >= field.least && field.value <= field.most) continue;
    return core::fail(core::errc::invalid,
                      fmt::format("{} is {}, expected {} to {}", field.name, field.value, field.least, field.most));
  }
  if (of.hidden % of.heads != 0) {
    return core::fail(core::errc::invalid,
                      fmt::format("the hidden size {} must be divisible by {} attention heads", of.hidden, of.heads));
  }
  if (of.act > activation::tanh || of.pooler_act > activation::tanh)
    return core::fail(core::errc::invalid, "unknown activation: gelu, gelu_new and relu are served");
  if (!(of.layer_norm_eps > 0 && of.layer_norm_eps < 1))
    return core::fail(core::errc::invalid, "the epsilon of the layer norms must be a number between 0 and 1");
  return {};
}

models::architecture architecture_of(std::string_view family, const config& of) {
  return {.family = std::string(family), .configuration = to_canonical(of)};
}

models::model_facts facts_of(std::string_view family, const config& of) {
  const uint64_t hidden = of.hidden;
  return {.name = fmt::format("{}-{}x{}-f32", family, of.layers, of.hidden),
          .features = of.hidden,
          .vocabulary = of.vocabulary,
          .positions = of.positions,
          .token_types = of.token_types,
          .weights_per_token = of.layers * hidden * (4 * hidden + 2ull * of.intermediate)};
}

} // namespace fastptm::models::encoder
