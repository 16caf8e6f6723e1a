// Where the tensors of an encoder lie in its shards: offsets looked up once, addresses made per run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "gpu/kernels.hpp"
#include "models/layout.hpp"

namespace fastptm::models::encoder {

// Weight and bias, or scale and shift, as byte offsets in a shard.
struct tensor_pair {
  uint64_t weight_bytes = 0;
  uint64_t bias_bytes = 0;

  gpu::linear_weights linear(const std::byte* shard) const;
  gpu::norm_weights norm(const std::byte* shard, double epsilon) const;
};

struct embeddings_map {
  explicit embeddings_map(const models::shard_layout& shard);
  gpu::embedding_tables tables(const std::byte* shard) const;

  uint64_t size_bytes, word_bytes, position_bytes;
  std::optional<uint64_t> token_type_bytes; // none: the model knows no types
  tensor_pair norm;
};

// The same for every layer.
struct layer_map {
  explicit layer_map(const models::shard_layout& shard);

  uint64_t size_bytes;
  tensor_pair qkv, attention_output, attention_norm, intermediate, output, output_norm;
};

struct head_map {
  explicit head_map(const models::shard_layout& shard);

  uint64_t size_bytes;
  tensor_pair pooler, classifier; // zero where the task has none
};

} // namespace fastptm::models::encoder
