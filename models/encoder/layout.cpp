// Lists the tensors of every shard of an encoder.
#include "models/encoder/layout.hpp"

namespace fastptm::models::encoder {

namespace {

using models::shard_kind;
using models::shard_layout;
using models::shard_plan;

shard_layout embeddings_of(const config& of) {
  shard_plan plan(shard_kind::embeddings, 0);
  plan.add("word", {of.vocabulary, of.hidden}).add("position", {of.positions, of.hidden});
  if (of.token_types > 0) plan.add("token_type", {of.token_types, of.hidden});
  return plan.add_norm("norm", of.hidden).finish();
}

shard_layout layer_of(const config& of, uint32_t index) {
  const uint64_t hidden = of.hidden;
  return shard_plan(shard_kind::layer, index)
      .add_linear("qkv", 3 * hidden, hidden) // query, key, value below each other: one product instead of three
      .add_linear("attention_output", hidden, hidden)
      .add_norm("attention_norm", hidden)
      .add_linear("intermediate", of.intermediate, hidden)
      .add_linear("output", hidden, of.intermediate)
      .add_norm("output_norm", hidden)
      .finish();
}

shard_layout head_of(const config& of, const models::task& job) {
  shard_plan plan(shard_kind::head, 0);
  if (job.has_pooler) plan.add_linear("pooler", of.hidden, of.hidden);
  if (job.kind == core::task_kind::classify) plan.add_linear("classifier", job.labels, of.hidden);
  return plan.finish();
}

} // namespace

std::vector<shard_layout> layout_of(const config& of, const models::task& job) {
  std::vector<shard_layout> shards;
  shards.reserve(of.layers + 2);
  shards.push_back(embeddings_of(of));
  for (uint32_t i = 0; i < of.layers; ++i) shards.push_back(layer_of(of, i));
  if (auto head = head_of(of, job); !head.tensors.empty()) shards.push_back(std::move(head));
  return shards;
}

} // namespace fastptm::models::encoder
