// Names to offsets; see weights_map.hpp.
#include "models/encoder/weights_map.hpp"

#include <string>

#include "core/check.hpp"

namespace fastptm::models::encoder {

namespace {

uint64_t offset_of(const models::shard_layout& shard, const std::string& name) {
  const models::tensor_slot* const slot = shard.find(name);
  core::check(slot != nullptr, "a layout has the tensors of its family");
  return slot->offset_bytes;
}

tensor_pair pair_of(const models::shard_layout& shard, const std::string& name) {
  return {offset_of(shard, name + ".weight"), offset_of(shard, name + ".bias")};
}

tensor_pair pair_if_there(const models::shard_layout& shard, const std::string& name) {
  return shard.find(name + ".weight") == nullptr ? tensor_pair{} : pair_of(shard, name);
}

const float* floats(const std::byte* shard, uint64_t offset_bytes) {
  return reinterpret_cast<const float*>(shard + offset_bytes);
}

} // namespace

gpu::linear_weights tensor_pair::linear(const std::byte* shard) const {
  return {floats(shard, weight_bytes), floats(shard, bias_bytes)};
}

gpu::norm_weights tensor_pair::norm(const std::byte* shard, double epsilon) const {
  return {floats(shard, weight_bytes), floats(shard, bias_bytes), static_cast<float>(epsilon)};
}

embeddings_map::embeddings_map(const models::shard_layout& shard)
    : size_bytes(shard.size_bytes), word_bytes(offset_of(shard, "word")), position_bytes(offset_of(shard, "position")),
      norm(pair_of(shard, "norm")) {
  if (const auto* types = shard.find("token_type")) token_type_bytes = types->offset_bytes;
}

gpu::embedding_tables embeddings_map::tables(const std::byte* shard) const {
  return {floats(shard, word_bytes), floats(shard, position_bytes),
          token_type_bytes ? floats(shard, *token_type_bytes) : nullptr};
}

layer_map::layer_map(const models::shard_layout& shard)
    : size_bytes(shard.size_bytes), qkv(pair_of(shard, "qkv")), attention_output(pair_of(shard, "attention_output")),
      attention_norm(pair_of(shard, "attention_norm")), intermediate(pair_of(shard, "intermediate")),
      output(pair_of(shard, "output")), output_norm(pair_of(shard, "output_norm")) {}

head_map::head_map(const models::shard_layout& shard)
    : size_bytes(shard.size_bytes), pooler(pair_if_there(shard, "pooler")),
      classifier(pair_if_there(shard, "classifier")) {}

} // namespace fastptm::models::encoder
