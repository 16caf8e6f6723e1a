// Known values, and the definition of the chunk checksum.
#include "weights/format/hash.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include <gtest/gtest.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/random.hpp"

namespace fastptm::weights {

namespace {

std::vector<std::byte> random_bytes(size_t size, uint64_t seed) {
  core::prng random(seed);
  std::vector<std::byte> bytes(size);
  for (auto& b : bytes) b = static_cast<std::byte>(random.next());
  return bytes;
}

const std::vector<size_t> sizes = {0,     1,     4096,      16383,           16384,      16385,
                                   65536, 65537, 1'000'000, chunk_bytes - 1, chunk_bytes};

// docs/weight_format.md, word by word.
uint64_t by_definition(const std::vector<std::byte>& bytes) {
  std::vector<uint64_t> blocks;
  for (size_t at = 0; at < bytes.size(); at += 16 * 1024) {
    blocks.push_back(XXH3_64bits(bytes.data() + at, std::min<size_t>(16 * 1024, bytes.size() - at)));
  }
  return XXH3_64bits(blocks.data(), blocks.size() * 8);
}

} // namespace

TEST(Hash, Sha256HasTheValuesOfItsStandard) {
  EXPECT_EQ(sha256("abc").hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256("").hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  sha256_stream stream;
  const auto bytes = random_bytes(100'000, 7);
  for (size_t at = 0; at < bytes.size(); at += 777)
    stream.update(std::span(bytes).subspan(at, std::min<size_t>(777, bytes.size() - at)));
  EXPECT_EQ(stream.finish(), sha256(bytes));
}

TEST(Hash, ChunkChecksumIsTheHashOfTheHashesOfItsBlocks) {
  for (const size_t size : sizes) {
    const auto bytes = random_bytes(size, size);
    EXPECT_EQ(chunk_checksum(bytes.data(), bytes.size()), by_definition(bytes)) << size;
  }
}

TEST(Hash, ChunkChecksumNeverChangesBetweenBuilds) {
  std::vector<std::byte> bytes(100'000);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 31 + i / 256);
  EXPECT_EQ(chunk_checksum(bytes.data(), bytes.size()), 0xbb0edb53c2d4df2full);
}

TEST(Hash, CopyAndChecksumCopiesAndGivesTheSameValue) {
  for (const size_t size : sizes) {
    const auto bytes = random_bytes(size, size + 1);
    std::vector<std::byte> target(size + 1, std::byte{0x5a});
    EXPECT_EQ(copy_and_checksum(target.data(), bytes.data(), size), by_definition(bytes)) << size;
    EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), target.begin())) << size;
    EXPECT_EQ(target.back(), std::byte{0x5a}) << "wrote beyond the end";
  }
}

TEST(Hash, CopyAndChecksumIsTheSameForEveryAlignment) {
  struct alignas(64) line {
    std::byte bytes[64];
  };
  std::vector<line> memory(chunk_bytes / sizeof(line) + 2);
  auto* aligned = memory.front().bytes;
  for (const size_t size : sizes)
    for (const size_t shift : {0, 1, 16, 32}) {
      const auto bytes = random_bytes(size + 7, size + shift);
      const std::vector<std::byte> expected(bytes.begin() + 7, bytes.end());
      aligned[shift + size] = std::byte{0x5a};
      EXPECT_EQ(copy_and_checksum(aligned + shift, bytes.data() + 7, size), by_definition(expected)) << size;
      EXPECT_TRUE(std::equal(expected.begin(), expected.end(), aligned + shift)) << size;
      EXPECT_EQ(aligned[shift + size], std::byte{0x5a}) << "wrote beyond the end";
    }
}

TEST(Hash, FillAndChecksumHashesEveryPieceAndStopsAtAFailure) {
  for (const size_t size : sizes) {
    const auto bytes = random_bytes(size, size + 1);
    std::vector<std::byte> target(size);
    const auto fill = [&](uint64_t offset, uint64_t length) {
      std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(offset), length,
                  target.begin() + static_cast<ptrdiff_t>(offset));
      return true;
    };
    EXPECT_EQ(fill_and_checksum(target.data(), size, 64 << 10, fill), by_definition(bytes)) << size;
    EXPECT_EQ(target, bytes);
  }
  std::vector<std::byte> target(200'000);
  int calls = 0;
  EXPECT_EQ(fill_and_checksum(target.data(), target.size(), 64 << 10, [&](uint64_t, uint64_t) { return ++calls < 3; }),
            std::nullopt);
  EXPECT_EQ(calls, 3);
}

TEST(Hash, OneFlippedBitChangesTheChecksum) {
  auto bytes = random_bytes(chunk_bytes, 3);
  const auto good = chunk_checksum(bytes.data(), bytes.size());
  core::prng random(11);
  for (int i = 0; i < 50; ++i) {
    const auto at = random.below(bytes.size());
    const auto bit = static_cast<std::byte>(1u << random.below(8));
    bytes[at] ^= bit;
    EXPECT_NE(chunk_checksum(bytes.data(), bytes.size()), good) << at;
    bytes[at] ^= bit;
  }
}

} // namespace fastptm::weights
