// The table between our names and those of transformers' modeling_bert.
#include "models/bert/names.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "core/check.hpp"

namespace fastptm::weights {

namespace {

using name_pair = std::pair<std::string_view, std::string_view>; // module of ours -> module of theirs

constexpr std::array<name_pair, 4> embeddings_names{{{"word", "embeddings.word_embeddings"},
                                                     {"position", "embeddings.position_embeddings"},
                                                     {"token_type", "embeddings.token_type_embeddings"},
                                                     {"norm", "embeddings.LayerNorm"}}};

constexpr std::array<name_pair, 5> layer_names{{{"attention_output", "attention.output.dense"},
                                                {"attention_norm", "attention.output.LayerNorm"},
                                                {"intermediate", "intermediate.dense"},
                                                {"output", "output.dense"},
                                                {"output_norm", "output.LayerNorm"}}};

template <size_t n> std::string_view theirs(const std::array<name_pair, n>& table, std::string_view ours) {
  for (const auto& [mine, other] : table) {
    if (mine == ours) return other;
  }
  core::check(false, "a slot of the layout has no name in checkpoints");
  return {};
}

} // namespace

std::vector<std::string> bert_sources_of(const shard_layout& shard, const tensor_slot& slot, std::string_view prefix) {
  // "output.weight" -> module "output", field "weight"; embedding tables are weights without a field of ours.
  const std::string_view name = slot.name;
  const auto dot = name.rfind('.');
  const std::string_view module = name.substr(0, dot);
  const std::string_view field = dot == std::string_view::npos ? "weight" : name.substr(dot + 1);
  switch (shard.kind) {
    case shard_kind::embeddings:
      return {fmt::format("{}{}.{}", prefix, theirs(embeddings_names, module), field)};
    case shard_kind::head:
      if (module == "pooler") return {fmt::format("{}pooler.dense.{}", prefix, field)};
      return {fmt::format("classifier.{}", field)};
    case shard_kind::layer:
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

std::string bert_old_name_of(std::string_view name) {
  for (const auto& [now, then] :
       {name_pair{"LayerNorm.weight", "LayerNorm.gamma"}, {"LayerNorm.bias", "LayerNorm.beta"}}) {
    if (name.ends_with(now)) return std::string(name.substr(0, name.size() - now.size())).append(then);
  }
  return {};
}

bool bert_is_pretraining_head(std::string_view name) {
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

bool bert_is_classifier(std::string_view name) {
  return name == "classifier.weight" || name == "classifier.bias";
}

bool bert_is_buffer(std::string_view name, std::string_view prefix) {
  return name.starts_with(prefix) && name.substr(prefix.size()) == "embeddings.position_ids";
}

} // namespace fastptm::weights
