// Gives the tensors of a shard their offsets.
#include "models/layout.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/units.hpp"

namespace fastptm::models {

namespace {

constexpr uint64_t element_bytes = 4; // dtype::f32 is the only one

} // namespace

shard_plan& shard_plan::add(std::string name, std::vector<uint64_t> shape) {
  uint64_t size_bytes = element_bytes;
  for (const uint64_t dimension : shape) size_bytes *= dimension;
  const uint64_t offset_bytes = core::round_up(end_bytes_, tensor_alignment_bytes);
  end_bytes_ = offset_bytes + size_bytes;
  shard_.tensors.push_back({std::move(name), std::move(shape), offset_bytes, size_bytes});
  return *this;
}

shard_plan& shard_plan::add_linear(const std::string& name, uint64_t out, uint64_t in) {
  return add(name + ".weight", {out, in}).add(name + ".bias", {out});
}

shard_plan& shard_plan::add_norm(const std::string& name, uint64_t width) {
  return add(name + ".weight", {width}).add(name + ".bias", {width});
}

shard_layout shard_plan::finish() {
  shard_.size_bytes = core::round_up(end_bytes_, shard_alignment_bytes);
  return std::move(shard_);
}

const tensor_slot* shard_layout::find(std::string_view name) const {
  const auto at = std::ranges::find(tensors, name, &tensor_slot::name);
  return at == tensors.end() ? nullptr : &*at;
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

} // namespace fastptm::models
