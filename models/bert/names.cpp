// The table between our names and those of transformers' modeling_bert.
#include "models/bert/names.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "models/name_table.hpp"

namespace fastptm::models::bert {

namespace {

constexpr std::array<name_pair, 4> embeddings_names{{{"word", "embeddings.word_embeddings"},
                                                     {"position", "embeddings.position_embeddings"},
                                                     {"token_type", "embeddings.token_type_embeddings"},
                                                     {"norm", "embeddings.LayerNorm"}}};

constexpr std::array<name_pair, 5> layer_names{{{"attention_output", "attention.output.dense"},
                                                {"attention_norm", "attention.output.LayerNorm"},
                                                {"intermediate", "intermediate.dense"},
                                                {"output", "output.dense"},
                                                {"output_norm", "output.LayerNorm"}}};

} // namespace

std::vector<std::string> names::sources_of(const models::shard_layout& shard, const models::tensor_slot& slot,
                                           std::string_view prefix) const {
  const auto [module, field] = module_and_field(slot.name);
  switch (shard.kind) {
    case models::shard_kind::embeddings:
      return {fmt::format("{}{}.{}", prefix, theirs(embeddings_names, module), field)};
    case models::shard_kind::head:
      if (module == "pooler") return {fmt::format("{}pooler.dense.{}", prefix, field)};
      return {fmt::format("classifier.{}", field)};
    case models::shard_kind::layer:
      break;
  }
  const std::string layer = fmt::format("{}encoder.layer.{}.", prefix, shard.index);
  if (module != "qkv") return {fmt::format("{}{}.{}", layer, theirs(layer_names, module), field)};
  std::vector<std::string> parts;
  for (const std::string_view part : {"query", "key", "value"}) {
    parts.push_back(fmt::format("{}attention.self.{}.{}", layer, part, field));
  }
  return parts;
}

std::string names::old_name_of(std::string_view name) const {
  for (const auto& [now, then] :
       {name_pair{"LayerNorm.weight", "LayerNorm.gamma"}, {"LayerNorm.bias", "LayerNorm.beta"}}) {
    if (name.ends_with(now)) return std::string(name.substr(0, name.size() - now.size())).append(then);
  }
  return {};
}

bool names::is_pretraining_head(std::string_view name) const {
  constexpr std::array<std::string_view, 11> known{
      "cls.predictions.bias",
      "cls.predictions.transform.dense.weight",
      "cls.predictions.transform.dense.bias",
      "cls.predictions.transform.LayerNorm.weight",
      "cls.predictions.transform.LayerNorm.bias",
      "cls.predictions.transform.LayerNorm.gamma",
      "cls.predictions.transform.LayerNorm.beta",
      "cls.predictions.decoder.weight",
      "cls.predictions.decoder.bias",
      "cls.seq_relationship.weight",
      "cls.seq_relationship.bias",
  };
  return std::ranges::find(known, name) != known.end();
}

bool names::is_classifier(std::string_view name) const {
  return name == "classifier.weight" || name == "classifier.bias";
}

bool names::is_buffer(std::string_view name, std::string_view prefix) const {
  return name.starts_with(prefix) && name.substr(prefix.size()) == "embeddings.position_ids";
}

} // namespace fastptm::models::bert
