// What a weight set consists of: architecture, task, shards and their checksums; and its canonical bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "models/architecture.hpp"

namespace fastptm::weights {

struct shard_entry {
  core::digest digest;                   // SHA-256 of all its bytes, padding included
  uint64_t size_bytes = 0;               // as the layout says
  std::vector<uint64_t> chunk_checksums; // of its chunks in order, weights/format/hash.hpp

  bool operator==(const shard_entry&) const = default;
};

struct manifest {
  uint16_t format = 2; // 1: published when there was no family but bert; its name is that of those bytes
  models::architecture arch;
  models::task job;
  std::vector<shard_entry> shards; // in the order of models::layout_of(arch, job)

  uint64_t total_bytes() const;
  bool operator==(const manifest&) const = default;
};

// Largest encoding: it travels in one message of a control plane that carries no bulk bytes.
inline constexpr uint64_t max_manifest_bytes = 60 << 10;

// Canonical Cap'n Proto (schemas/manifest.capnp) without segment table: equal manifests have equal bytes.
std::vector<std::byte> encode(const manifest& set);

// Checks everything: bounds, shard count and sizes against the layout, chunk counts, and that the bytes are canonical.
// errc::corrupt otherwise, errc::version_mismatch for a format of the future.
core::result<manifest> decode(std::span<const std::byte> bytes);

// The name of a weight set: SHA-256 of its encoding.
core::digest digest_of(std::span<const std::byte> encoded);
core::digest digest_of(const manifest& set);

} // namespace fastptm::weights
