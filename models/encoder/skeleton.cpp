// The forward pass; see skeleton.hpp.
#include "models/encoder/skeleton.hpp"

#include <fmt/format.h>

#include "core/check.hpp"
#include "models/encoder/layout.hpp"

namespace fastptm::models::encoder {

namespace {

gpu::activation on_device(activation act) {
  switch (act) {
    case activation::gelu_erf:
      return gpu::activation::gelu_erf;
    case activation::gelu_tanh:
      return gpu::activation::gelu_tanh;
    case activation::relu:
      return gpu::activation::relu;
    case activation::tanh:
      return gpu::activation::tanh;
  }
  return gpu::activation::none;
}

gpu::pooling pooling_of(models::pooling pool) {
  switch (pool) {
    case models::pooling::mean:
      return gpu::pooling::mean;
    case models::pooling::cls:
      return gpu::pooling::first;
    case models::pooling::max:
      return gpu::pooling::max;
    case models::pooling::mean_sqrt_len:
      return gpu::pooling::mean_sqrt_length;
  }
  return gpu::pooling::mean;
}

// The part that every task has: an embedding task without a pooler has no head.
std::vector<models::shard_layout> body_of(const config& numbers) {
  return layout_of(numbers, models::task{.max_tokens = numbers.positions});
}

} // namespace

skeleton::skeleton(models::architecture arch, const config& numbers)
    : arch_(std::move(arch)), numbers_(numbers), name_(facts_of(arch_.family, numbers).name), body_(body_of(numbers)),
      embeddings_(body_.at(0)), layer_(body_.at(1)) {}

const std::optional<head_map>& skeleton::head_of(const models::task& job) {
  if (head_task_ == job) return head_;
  const auto shards = layout_of(numbers_, job);
  head_.reset();
  if (shards.back().kind == models::shard_kind::head) head_.emplace(shards.back());
  head_task_ = job;
  return head_;
}

core::result<void> skeleton::check(const models::task& job, const binding& weights) {
  const std::optional<head_map>& head = head_of(job);
  const size_t expected = body_.size() + (head ? 1 : 0);
  if (weights.size() != expected) {
    return core::fail(core::errc::invalid, fmt::format("{} has {} shards, {} given", name_, expected, weights.size()));
  }
  for (size_t i = 0; i < expected; ++i) {
    const uint64_t size_bytes = i < body_.size() ? body_[i].size_bytes : head->size_bytes;
    if (weights.size_bytes(i) < size_bytes) {
      return core::fail(core::errc::invalid, fmt::format("shard {} of {} is {} bytes, {} given", i, name_, size_bytes,
                                                         weights.size_bytes(i)));
    }
  }
  return {};
}

uint64_t skeleton::workspace_bytes(const gpu::kernels& compute, const models::task& job, const batch& inputs) const {
  const uint32_t rows = inputs.rows();
  const uint32_t sequences = static_cast<uint32_t>(inputs.sequences.size());
  return 2 * compute.activation_bytes(rows, numbers_.hidden) + compute.activation_bytes(rows, 3 * numbers_.hidden) +
         compute.activation_bytes(rows, numbers_.intermediate) +
         2 * compute.activation_bytes(sequences, numbers_.hidden) + compute.activation_bytes(sequences, job.labels);
}

skeleton::activations skeleton::take(const models::task& job, pass& on) const {
  const uint32_t rows = on.inputs.rows();
  const uint32_t sequences = static_cast<uint32_t>(on.inputs.sequences.size());
  return {.hidden = on.memory.take(rows, numbers_.hidden),
          .qkv = on.memory.take(rows, 3 * numbers_.hidden),
          .context = on.memory.take(rows, numbers_.hidden),
          .intermediate = on.memory.take(rows, numbers_.intermediate),
          .pooled = on.memory.take(sequences, numbers_.hidden),
          .pooler_output = on.memory.take(sequences, numbers_.hidden),
          .logits = on.memory.take(sequences, job.labels)};
}

core::result<gpu::activations> skeleton::run(const models::task& job, pass& on) {
  if (auto enough = on.memory.reserve(workspace_bytes(on.compute, job, on.inputs)); !enough)
    return core::fail(enough.error());
  const activations in = take(job, on);
  for (size_t i = 0; i < body_.size(); ++i) {
    const auto shard = on.weights.await(i);
    if (!shard) return core::fail(shard.error());
    if (i == 0) {
      embed(on, *shard, in);
      continue;
    }
    if (i == 1) on.first_layer_at_us = core::monotonic_now_us();
    layer(on, *shard, in);
  }
  return head(job, on, in);
}

void skeleton::embed(pass& on, const std::byte* shard, const activations& in) {
  on.compute.embed(on.inputs.ids, on.inputs.token_types, on.inputs.sequences, embeddings_.tables(shard), in.hidden);
  on.compute.layer_norm(in.hidden, embeddings_.norm.norm(shard, numbers_.layer_norm_eps));
}

void skeleton::layer(pass& on, const std::byte* shard, const activations& in) {
  on.compute.linear(in.hidden, layer_.qkv.linear(shard), gpu::activation::none, in.qkv);
  on.compute.attention(in.qkv, on.inputs.sequences, numbers_.heads, in.context);
  on.compute.linear_add(in.context, layer_.attention_output.linear(shard), in.hidden);
  on.compute.layer_norm(in.hidden, layer_.attention_norm.norm(shard, numbers_.layer_norm_eps));
  on.compute.linear(in.hidden, layer_.intermediate.linear(shard), on_device(numbers_.act), in.intermediate);
  on.compute.linear_add(in.intermediate, layer_.output.linear(shard), in.hidden);
  on.compute.layer_norm(in.hidden, layer_.output_norm.norm(shard, numbers_.layer_norm_eps));
}

core::result<gpu::activations> skeleton::head(const models::task& job, pass& on, const activations& in) {
  const bool classifies = job.kind == models::task_kind::classify;
  const gpu::pooling pool = classifies ? gpu::pooling::first : pooling_of(job.pool);
  const auto& rows = pool == gpu::pooling::first ? on.inputs.sequences : on.inputs.pooled;
  on.compute.pool(in.hidden, rows, pool, in.pooled);
  if (!classifies) {
    if (job.normalize) on.compute.normalize(in.pooled);
    return in.pooled;
  }
  const auto shard = on.weights.await(body_.size());
  if (!shard) return core::fail(shard.error());
  const std::optional<head_map>& map = head_of(job);
  on.compute.linear(in.pooled, map->pooler.linear(*shard), on_device(numbers_.pooler_act), in.pooler_output);
  on.compute.linear(in.pooler_output, map->classifier.linear(*shard), gpu::activation::none, in.logits);
  return in.logits;
}

} // namespace fastptm::models::encoder
