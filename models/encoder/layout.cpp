// Lists the tensors of every shard and gives them their offsets.
#include "weights/format/layout.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/units.hpp"

namespace fastptm::weights {

namespace {

constexpr uint64_t element_bytes = 4; // dtype::f32 is the only one

// Places tensors one after the other.
class shard_plan {
public:
  shard_plan(shard_kind kind, uint32_t index) : shard_{kind, index, 0, {}} {}

  shard_plan& add(std::string name, std::vector<uint64_t> shape) {
    uint64_t size_bytes = element_bytes;
    for (const uint64_t dimension : shape) size_bytes *= dimension;
    const uint64_t offset_bytes = core::round_up(end_bytes_, tensor_alignment_bytes);
    end_bytes_ = offset_bytes + size_bytes;
    shard_.tensors.push_back({std::move(name), std::move(shape), offset_bytes, size_bytes});
    return *this;
  }

  // A weight [out, in] and its bias [out].
  shard_plan& add_linear(const std::string& name, uint64_t out, uint64_t in) {
    return add(name + ".weight", {out, in}).add(name + ".bias", {out});
  }

  shard_plan& add_norm(const std::string& name, uint64_t width) {
    return add(name + ".weight", {width}).add(name + ".bias", {width});
  }

  shard_layout finish() {
    shard_.size_bytes = core::round_up(end_bytes_, shard_alignment_bytes);
    return std::move(shard_);
  }

private:
  shard_layout shard_;
  uint64_t end_bytes_ = 0;
};

shard_layout embeddings_of(const architecture& arch) {
  return shard_plan(shard_kind::embeddings, 0)
      .add("word", {arch.vocabulary, arch.hidden})
      .add("position", {arch.positions, arch.hidden})
      .add("token_type", {arch.token_types, arch.hidden})
      .add_norm("norm", arch.hidden)
      .finish();
}

shard_layout layer_of(const architecture& arch, uint32_t index) {
  const uint64_t hidden = arch.hidden;
  return shard_plan(shard_kind::layer, index)
      .add_linear("qkv", 3 * hidden, hidden) // query, key, value below each other: one product instead of three
      .add_linear("attention_output", hidden, hidden)
      .add_norm("attention_norm", hidden)
      .add_linear("intermediate", arch.intermediate, hidden)
      .add_linear("output", hidden, arch.intermediate)
      .add_norm("output_norm", hidden)
      .finish();
}

shard_layout head_of(const architecture& arch, const task& job) {
  shard_plan plan(shard_kind::head, 0);
  if (job.has_pooler) plan.add_linear("pooler", arch.hidden, arch.hidden);
  if (job.kind == task_kind::classify) plan.add_linear("classifier", job.labels, arch.hidden);
  return plan.finish();
}

} // namespace

const tensor_slot* shard_layout::find(std::string_view name) const {
  const auto at = std::ranges::find(tensors, name, &tensor_slot::name);
  return at == tensors.end() ? nullptr : &*at;
}

std::vector<shard_layout> layout_of(const architecture& arch, const task& job) {
  std::vector<shard_layout> shards;
  shards.reserve(arch.layers + 2);
  shards.push_back(embeddings_of(arch));
  for (uint32_t i = 0; i < arch.layers; ++i) shards.push_back(layer_of(arch, i));
  if (auto head = head_of(arch, job); !head.tensors.empty()) shards.push_back(std::move(head));
  return shards;
}

std::string name_of(const shard_layout& shard) {
  switch (shard.kind) {
    case shard_kind::embeddings:
      return "embeddings";
    case shard_kind::layer:
      return fmt::format("layer {}", shard.index);
    case shard_kind::head:
      return "head";
  }
  return "unknown";
}

} // namespace fastptm::weights
