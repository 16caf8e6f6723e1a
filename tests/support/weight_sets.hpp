// Manifests of weight sets that exist nowhere, for whoever only counts their bytes.
#pragma once

#include "models/encoder/config.hpp"
#include "models/registry.hpp"
#include "weights/format/manifest.hpp"

namespace fastptm::tests {

constexpr models::encoder::config tiny_shape{
    .hidden = 64, .layers = 2, .heads = 2, .intermediate = 128, .vocabulary = 100, .positions = 32, .token_types = 2};
constexpr models::encoder::config minilm_shape{.hidden = 384,
                                               .layers = 6,
                                               .heads = 12,
                                               .intermediate = 1536,
                                               .vocabulary = 30'522,
                                               .positions = 512,
                                               .token_types = 2};

// Sets of different seeds share nothing.
inline weights::manifest set_of(const models::encoder::config& shape, uint8_t seed) {
  weights::manifest set;
  set.arch = models::encoder::architecture_of("bert", shape);
  set.job.max_tokens = 32;
  for (const auto& shard : models::layout_of(set.arch, set.job)) {
    weights::shard_entry entry;
    entry.digest.bytes[0] = seed;
    entry.digest.bytes[1] = static_cast<uint8_t>(set.shards.size());
    entry.size_bytes = shard.size_bytes;
    entry.chunk_checksums.resize((shard.size_bytes + (4 << 20) - 1) / (4 << 20));
    set.shards.push_back(entry);
  }
  return set;
}

} // namespace fastptm::tests
