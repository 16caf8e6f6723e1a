// Where every tensor lies in the shards of a weight set: fixed by architecture and task alone. docs/weight_format.md
// specifies it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "weights/format/architecture.hpp"

namespace fastptm::weights {

inline constexpr uint64_t tensor_alignment_bytes = 256;
inline constexpr uint64_t shard_alignment_bytes = 4096; // one page: shards can be mapped and read with O_DIRECT

// Plain row-major [out, in]. Names are ours, e.g. "qkv.weight"; layout.cpp lists them.
struct tensor_slot {
  std::string name;
  std::vector<uint64_t> shape;
  uint64_t offset_bytes = 0; // in its shard
  uint64_t size_bytes = 0;
};

enum class shard_kind : uint8_t { embeddings = 0, layer = 1, head = 2 };

// Bytes between tensors and after the last are zero.
struct shard_layout {
  shard_kind kind = shard_kind::embeddings;
  uint32_t index = 0; // of the layer; 0 for the others
  uint64_t size_bytes = 0;
  std::vector<tensor_slot> tensors;

  // Null when this shard has no such tensor.
  const tensor_slot* find(std::string_view name) const;
};

// Embeddings, layer 0 to the last, and the head if the task has tensors of its own: in the order in which a run needs
// them. Requires: validate(arch, job).
std::vector<shard_layout> layout_of(const architecture& arch, const task& job);

// "embeddings", "layer 3", "head".
std::string name_of(const shard_layout& shard);

} // namespace fastptm::weights
