// Where every tensor lies in the shards of a weight set: fixed by architecture and task alone.
// docs/weight_format.md specifies it; the layout of a family is worked out in models/.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fastptm::models {

inline constexpr uint64_t tensor_alignment_bytes = 256;
inline constexpr uint64_t shard_alignment_bytes = 4096; // one page: shards can be mapped and read with O_DIRECT

// Plain row-major [out, in]. Names are ours, e.g. "qkv.weight"; the layouts of models/ list them.
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

// Places tensors one after the other.
class shard_plan {
public:
  shard_plan(shard_kind kind, uint32_t index) : shard_{kind, index, 0, {}} {}

  shard_plan& add(std::string name, std::vector<uint64_t> shape);
  // A weight [out, in] and its bias [out].
  shard_plan& add_linear(const std::string& name, uint64_t out, uint64_t in);
  // A scale and a shift, both [width].
  shard_plan& add_norm(const std::string& name, uint64_t width);

  shard_layout finish();

private:
  shard_layout shard_;
  uint64_t end_bytes_ = 0;
};

// "embeddings", "layer 3", "head".
std::string name_of(const shard_layout& shard);

} // namespace fastptm::models
