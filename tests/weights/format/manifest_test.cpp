// Encoding is canonical; decoding refuses everything else.
#include "weights/format/manifest.hpp"

#include <gtest/gtest.h>

#include "core/random.hpp"
#include "weights/format/hash.hpp"
#include "weights/format/layout.hpp"

namespace fastptm::weights {

namespace {

manifest sample() {
  manifest set;
  set.arch.hidden = 768;
  set.arch.layers = 12;
  set.arch.heads = 12;
  set.arch.intermediate = 3072;
  set.arch.vocabulary = 30522;
  set.arch.positions = 512;
  set.arch.token_types = 2;
  set.arch.act = activation::gelu_tanh;
  set.job.kind = task_kind::classify;
  set.job.has_pooler = true;
  set.job.labels = 4;
  set.job.max_tokens = 512;
  core::prng random(5);
  for (const auto& shard : layout_of(set.arch, set.job)) {
    shard_entry entry{sha256(std::to_string(random.next())), shard.size_bytes, {}};
    for (uint64_t i = 0; i < chunk_count(shard.size_bytes); ++i) entry.chunk_checksums.push_back(random.next());
    set.shards.push_back(entry);
  }
  return set;
}

} // namespace

TEST(Manifest, IsReadBackAsItWas) {
  const auto set = sample();
  const auto bytes = encode(set);
  EXPECT_LT(bytes.size(), 64u << 10);
  const auto read = decode(bytes);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, set);
  EXPECT_EQ(encode(*read), bytes);
  EXPECT_EQ(digest_of(set), sha256(bytes));
}

TEST(Manifest, EveryFlippedBitChangesTheManifestOrIsRefused) {
  const auto set = sample();
  auto bytes = encode(set);
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      bytes[i] ^= static_cast<std::byte>(1 << bit);
      const auto read = decode(bytes);
      EXPECT_FALSE(read && *read == set) << "byte " << i << " bit " << bit;
      bytes[i] ^= static_cast<std::byte>(1 << bit);
    }
  }
}

TEST(Manifest, OtherLengthsAreRefused) {
  const auto bytes = encode(sample());
  EXPECT_FALSE(decode({}));
  EXPECT_FALSE(decode(std::span(bytes).first(bytes.size() - 8)));
  EXPECT_FALSE(decode(std::span(bytes).first(bytes.size() - 3)));
  auto longer = bytes;
  longer.resize(bytes.size() + 8);
  EXPECT_FALSE(decode(longer)) << "trailing zeros are not canonical";
  EXPECT_FALSE(decode(std::vector<std::byte>(max_manifest_bytes + 8)));
}

TEST(Manifest, ShardsThatDoNotSuitTheArchitectureAreRefused) {
  const auto refused = [](auto change) {
    auto set = sample();
    change(set);
    const auto read = decode(encode(set));
    return !read && read.error().code == core::errc::corrupt;
  };
  EXPECT_TRUE(refused([](auto& set) { set.shards.pop_back(); }));
  EXPECT_TRUE(refused([](auto& set) { set.shards.push_back(set.shards.back()); }));
  EXPECT_TRUE(refused([](auto& set) { set.shards[1].size_bytes += 4096; }));
  EXPECT_TRUE(refused([](auto& set) { set.shards[1].chunk_checksums.pop_back(); }));
  EXPECT_TRUE(refused([](auto& set) { set.arch.hidden = 0; }));
  EXPECT_TRUE(refused([](auto& set) { set.arch.layers = 1'000'000'000; }));
  EXPECT_TRUE(refused([](auto& set) { set.job.labels = 0; }));
  EXPECT_TRUE(refused([](auto& set) { set.arch.layout_tag = 9; }));
  EXPECT_TRUE(refused([](auto& set) { set.job.max_tokens = 513; }));
}

} // namespace fastptm::weights
