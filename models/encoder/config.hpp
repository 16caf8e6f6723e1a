// The numbers of a post-norm encoder, whatever its family calls them in config.json.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/error.hpp"
#include "models/architecture.hpp"

namespace fastptm::models::encoder {

// The numbers stand in canonical texts: never reuse one.
enum class activation : uint8_t {
  gelu_erf = 0,  // x/2 (1 + erf(x / sqrt 2))
  gelu_tanh = 1, // the tanh approximation of it
  relu = 2,
  tanh = 3
};

struct config {
  uint32_t hidden = 0;
  uint32_t layers = 0;
  uint32_t heads = 0;
  uint32_t intermediate = 0;
  uint32_t vocabulary = 0;
  uint32_t positions = 0;
  uint32_t token_types = 0;                 // 0: embeddings are words and positions only
  activation act = activation::gelu_erf;    // of the intermediate
  activation pooler_act = activation::tanh; // between a classifier's two products
  double layer_norm_eps = 1e-12;

  // New fields come last and with the default that published models mean by not having them.
  template <class V, class C> static void visit(V& to, C& of) {
    to("hidden", of.hidden, 0u);
    to("layers", of.layers, 0u);
    to("heads", of.heads, 0u);
    to("intermediate", of.intermediate, 0u);
    to("vocabulary", of.vocabulary, 0u);
    to("positions", of.positions, 0u);
    to("token_types", of.token_types, 0u);
    to("activation", of.act, activation::gelu_erf);
    to("pooler_activation", of.pooler_act, activation::tanh);
    to("layer_norm_eps", of.layer_norm_eps, 1e-12);
  }
};

// Bounds of everything that is accepted. They keep every size computed from a configuration far below 2^64.
inline constexpr uint32_t max_hidden = 16'384;
inline constexpr uint32_t max_layers = 256;
inline constexpr uint32_t max_intermediate = 131'072;
inline constexpr uint32_t max_vocabulary = 4'194'304;
inline constexpr uint32_t max_positions = 131'072;
inline constexpr uint32_t max_token_types = 1'024;

// errc::invalid naming the first number that is out of bounds or does not fit the others.
core::result<void> validate(const config& of);

models::architecture architecture_of(std::string_view family, const config& of);
models::model_facts facts_of(std::string_view family, const config& of);

} // namespace fastptm::models::encoder
