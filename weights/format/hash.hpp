// The two hashes of weights: SHA-256 names bytes, the chunk checksum finds damaged ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/digest.hpp"

namespace fastptm::weights {

// Unit of transfer, checksum and retry. Every chunk of a shard but the last has this size.
inline constexpr uint64_t chunk_bytes = 4 << 20;

// The checksum of a chunk is XXH3-64 over the little-endian sequence of the XXH3-64 of its 16 KiB blocks (the last may
// be shorter), so that a device can hash the blocks in parallel.
// It finds faults; it does not resist somebody who wants to deceive.
inline constexpr uint64_t checksum_block_bytes = 16 << 10;

// Requires: size_bytes <= chunk_bytes. At memory speed; any thread.
uint64_t chunk_checksum(const std::byte* data, uint64_t size_bytes);

// A chunk whose bytes are not those that its checksum was made of.
struct wrong_chunk {
  uint32_t chunk = 0; // of its shard
  uint64_t expected = 0;
  uint64_t found = 0;
};
// "chunk 3 has the checksum … instead of …"
std::string to_text(const wrong_chunk& wrong);

// Copies and returns the checksum of what now lies at the target: in one pass past the caches where the processor can,
// else in steps that stay in the cache. Requires: size_bytes <= chunk_bytes; the ranges do not overlap.
uint64_t copy_and_checksum(std::byte* target, const std::byte* source, uint64_t size_bytes);

// Has `fill(offset, length)` fill the target piece by piece, and returns the checksum of what it holds then; every
// piece is hashed while it is in the cache. Nothing when a fill failed. Requires: size_bytes <= chunk_bytes;
// piece_bytes is a multiple of a block.
std::optional<uint64_t> fill_and_checksum(std::byte* target, uint64_t size_bytes, uint64_t piece_bytes,
                                          const std::function<bool(uint64_t, uint64_t)>& fill);

constexpr uint64_t chunk_count(uint64_t size_bytes) {
  return (size_bytes + chunk_bytes - 1) / chunk_bytes;
}

core::digest sha256(std::span<const std::byte> data);
core::digest sha256(std::string_view text);

// SHA-256 of bytes that come piece by piece. One thread at a time.
class sha256_stream {
public:
  sha256_stream();
  ~sha256_stream();
  sha256_stream(sha256_stream&&) noexcept;
  sha256_stream& operator=(sha256_stream&&) noexcept;

  void update(std::span<const std::byte> data);
  // Requires: called once; nothing afterwards.
  core::digest finish();

private:
  struct state;
  std::unique_ptr<state> state_;
};

} // namespace fastptm::weights
