// SHA-256 by OpenSSL (which uses the processor's instructions where it has them) and XXH3 by its reference header.
#include "weights/format/hash.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include <fmt/format.h>
#include <openssl/evp.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/check.hpp"
#include "weights/format/xxh3_avx2.hpp"
#include "weights/format/xxh3_copy_avx2.hpp"

namespace fastptm::weights {

static_assert(std::endian::native == std::endian::little, "checksums and images are defined little-endian");

namespace {

constexpr uint64_t copy_step_bytes = 64 << 10;

uint64_t xxh3_64_portable(const void* data, size_t size_bytes) {
  return XXH3_64bits(data, size_bytes);
}

// The fastest that this processor has.
uint64_t xxh3_64(const void* data, size_t size_bytes) {
  static const auto chosen = __builtin_cpu_supports("avx2") ? xxh3_64_avx2 : xxh3_64_portable;
  return chosen(data, size_bytes);
}

// Collects the hashes of the blocks of one chunk.
class block_hashes {
public:
  // Requires: every call but the last gets a multiple of a block.
  void add(const std::byte* data, uint64_t size_bytes) {
    for (uint64_t at = 0; at < size_bytes; at += checksum_block_bytes) {
      hashes_[count_++] = xxh3_64(data + at, std::min(checksum_block_bytes, size_bytes - at));
    }
  }
  void add_hash(uint64_t of_block) { hashes_[count_++] = of_block; }
  uint64_t combined() const { return xxh3_64(hashes_.data(), count_ * sizeof(uint64_t)); }

private:
  std::array<uint64_t, chunk_bytes / checksum_block_bytes> hashes_;
  size_t count_ = 0;
};

} // namespace

uint64_t chunk_checksum(const std::byte* data, uint64_t size_bytes) {
  core::check(size_bytes <= chunk_bytes, "a chunk is at most 4 MiB");
  block_hashes blocks;
  blocks.add(data, size_bytes);
  return blocks.combined();
}

std::string to_text(const wrong_chunk& wrong) {
  return fmt::format("chunk {} has the checksum {:016x} instead of {:016x}", wrong.chunk, wrong.found, wrong.expected);
}

uint64_t copy_and_checksum(std::byte* target, const std::byte* source, uint64_t size_bytes) {
  core::check(size_bytes <= chunk_bytes, "a chunk is at most 4 MiB");
  static const bool has_avx2 = __builtin_cpu_supports("avx2");
  const bool streams = has_avx2 && reinterpret_cast<uintptr_t>(target) % 32 == 0;
  block_hashes blocks;
  uint64_t at = 0;
  for (; streams && at + checksum_block_bytes <= size_bytes; at += checksum_block_bytes)
    blocks.add_hash(copy_block_avx2(target + at, source + at));
  if (at > 0) finish_streaming();
  while (at < size_bytes) {
    const uint64_t step = std::min(copy_step_bytes, size_bytes - at);
    std::memcpy(target + at, source + at, step);
    blocks.add(target + at, step);
    at += step;
  }
  return blocks.combined();
}

std::optional<uint64_t> fill_and_checksum(std::byte* target, uint64_t size_bytes, uint64_t piece_bytes,
                                          const std::function<bool(uint64_t, uint64_t)>& fill) {
  core::check(size_bytes <= chunk_bytes && piece_bytes % checksum_block_bytes == 0,
              "a chunk is filled in whole blocks");
  block_hashes blocks;
  for (uint64_t at = 0; at < size_bytes; at += piece_bytes) {
    const uint64_t piece = std::min(piece_bytes, size_bytes - at);
    if (!fill(at, piece)) return std::nullopt;
    blocks.add(target + at, piece);
  }
  return blocks.combined();
}

struct sha256_stream::state {
  state() : context(EVP_MD_CTX_new()) {
    core::check(context && EVP_DigestInit_ex(context, EVP_sha256(), nullptr) == 1, "OpenSSL has no SHA-256");
  }
  ~state() { EVP_MD_CTX_free(context); }
  state(const state&) = delete;
  state& operator=(const state&) = delete;

  EVP_MD_CTX* const context;
};

sha256_stream::sha256_stream() : state_(std::make_unique<state>()) {}
sha256_stream::~sha256_stream() = default;
sha256_stream::sha256_stream(sha256_stream&&) noexcept = default;
sha256_stream& sha256_stream::operator=(sha256_stream&&) noexcept = default;

void sha256_stream::update(std::span<const std::byte> data) {
  core::check(EVP_DigestUpdate(state_->context, data.data(), data.size()) == 1, "SHA-256 update");
}

core::digest sha256_stream::finish() {
  core::digest value;
  unsigned size = 0;
  core::check(EVP_DigestFinal_ex(state_->context, value.bytes.data(), &size) == 1 && size == value.bytes.size(),
              "SHA-256 finish");
  return value;
}

core::digest sha256(std::span<const std::byte> data) {
  sha256_stream stream;
  stream.update(data);
  return stream.finish();
}

core::digest sha256(std::string_view text) {
  return sha256(std::as_bytes(std::span(text.data(), text.size())));
}

} // namespace fastptm::weights
