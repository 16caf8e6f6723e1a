// The table between our names and those of transformers' modeling_distilbert.
#include "models/distilbert/names.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "models/name_table.hpp"

namespace fastptm::models::distilbert {

namespace {

constexpr std::array<name_pair, 3> embeddings_names{{{"word", "embeddings.word_embeddings"},
                                                     {"position", "embeddings.position_embeddings"},
                                                     {"norm", "embeddings.LayerNorm"}}};

constexpr std::array<name_pair, 5> layer_names{{{"attention_output", "attention.out_lin"},
                                                {"attention_norm", "sa_layer_norm"},
                                                {"intermediate", "ffn.lin1"},
                                                {"output", "ffn.lin2"},
                                                {"output_norm", "output_layer_norm"}}};

} // namespace

std::vector<std::string> names::sources_of(const models::shard_layout& shard, const models::tensor_slot& slot,
                                           std::string_view prefix) const {
  const auto [module, field] = module_and_field(slot.name);
  if (shard.kind == models::shard_kind::embeddings)
    return {fmt::format("{}{}.{}", prefix, theirs(embeddings_names, module), field)};
  if (shard.kind == models::shard_kind::head)
    return {fmt::format("{}.{}", module == "pooler" ? "pre_classifier" : "classifier", field)};
  const std::string layer = fmt::format("{}transformer.layer.{}.", prefix, shard.index);
  if (module != "qkv") return {fmt::format("{}{}.{}", layer, theirs(layer_names, module), field)};
  std::vector<std::string> parts;
  for (const std::string_view part : {"q_lin", "k_lin", "v_lin"})
    parts.push_back(fmt::format("{}attention.{}.{}", layer, part, field));
  return parts;
}

bool names::is_pretraining_head(std::string_view name) const {
  constexpr std::array<std::string_view, 6> known{"vocab_transform.weight",  "vocab_transform.bias",
                                                  "vocab_layer_norm.weight", "vocab_layer_norm.bias",
                                                  "vocab_projector.weight",  "vocab_projector.bias"};
  return std::ranges::find(known, name) != known.end();
}

bool names::is_classifier(std::string_view name) const {
  return name.starts_with("classifier.") || name.starts_with("pre_classifier.");
}

bool names::is_buffer(std::string_view name, std::string_view prefix) const {
  return name.starts_with(prefix) && name.substr(prefix.size()) == "embeddings.position_ids";
}

} // namespace fastptm::models::distilbert
