// Encoding is canonical; decoding refuses everything else.
#include "weights/format/manifest.hpp"

#include <gtest/gtest.h>

#include "core/random.hpp"
#include "models/encoder/config.hpp"
#include "models/registry.hpp"
#include "weights/format/hash.hpp"

namespace fastptm::weights {

namespace {

constexpr models::encoder::config base{.hidden = 768,
                                       .layers = 12,
                                       .heads = 12,
                                       .intermediate = 3072,
                                       .vocabulary = 30522,
                                       .positions = 512,
                                       .token_types = 2,
                                       .act = models::encoder::activation::gelu_tanh};

manifest sample(const models::encoder::config& shape = base) {
  manifest set;
  set.arch = models::encoder::architecture_of("bert", shape);
  set.job.kind = core::task_kind::classify;
  set.job.has_pooler = true;
  set.job.labels = 4;
  set.job.max_tokens = 512;
  core::prng random(5);
  for (const auto& shard : models::layout_of(set.arch, set.job)) {
    shard_entry entry{sha256(std::to_string(random.next())), shard.size_bytes, {}};
    for (uint64_t i = 0; i < chunk_count(shard.size_bytes); ++i) entry.chunk_checksums.push_back(random.next());
    set.shards.push_back(entry);
  }
  return set;
}

constexpr std::string_view format_1_name = "a51ff12f0a77b4d36358c5b6f8f44d6d8c4fee9f4908a04655b299656dffa92e";
constexpr std::string_view format_1_bytes =
    "0000000001000300010000000000000008000000060000001c0000000200000021000000670000000000000000000000"
    "400000000200000004000000800000008000000040000000020000000000000011ea2d819997713d0000020000000000"
    "4000000000000000100000000100020000d00000000000002900000002010000350000000d0000000010020000000000"
    "31000000020100003d0000000d00000000100200000000003900000002010000450000000d0000000050000000000000"
    "41000000020100004d0000000d0000000e82bcadfc21d76425af8f192b5280f1486a675c8eb702a70392319ee2bfcdd5"
    "06209a74f791019eaf354f4f1b18d6eaf7361686f7f7e65223711294095838473d48574d8088b27b96e9e198b3f96706"
    "c41ccecfbf3c9ea4515a074c6a6bdd2ad4b70c4a58e1e645094cb1fe813c9d3c10fccc4fd58d71aeb12877d9355dcf72"
    "aab0c240d92db31bc6c5f2f00a94d7cc430cb9816cc0b0a282106c2ee9d2c15a";

std::vector<std::byte> from_hex(std::string_view text) {
  std::vector<std::byte> bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(std::stoul(std::string(text.substr(i, 2)), nullptr, 16)));
  return bytes;
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
  const auto with = [](auto change) {
    auto shape = base;
    change(shape);
    return [arch = models::encoder::architecture_of("bert", shape)](auto& set) { set.arch = arch; };
  };
  EXPECT_TRUE(refused(with([](auto& shape) { shape.hidden = 0; })));
  EXPECT_TRUE(refused(with([](auto& shape) { shape.layers = 1'000'000'000; })));
  EXPECT_TRUE(refused([](auto& set) { set.arch.family = "unheard-of"; }));
  EXPECT_TRUE(refused([](auto& set) { set.arch.configuration += "surprise=1\n"; }));
  EXPECT_TRUE(refused([](auto& set) { set.arch.configuration.clear(); }));
  EXPECT_TRUE(refused([](auto& set) { set.job.labels = 0; }));
  EXPECT_TRUE(refused([](auto& set) { set.arch.layout_tag = 9; }));
  EXPECT_TRUE(refused([](auto& set) { set.job.max_tokens = 513; }));
}

// Bytes that version 0.1.0 wrote for a tiny model: models that it published stay what they are.
TEST(Manifest, OfFormatOneIsReadAndKeepsItsName) {
  const auto bytes = from_hex(format_1_bytes);
  const auto read = decode(bytes);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->format, 1);
  EXPECT_EQ(read->arch, models::encoder::architecture_of("bert", {.hidden = 64,
                                                                  .layers = 2,
                                                                  .heads = 4,
                                                                  .intermediate = 128,
                                                                  .vocabulary = 128,
                                                                  .positions = 64,
                                                                  .token_types = 2}));
  EXPECT_EQ(encode(*read), bytes);
  EXPECT_EQ(digest_of(*read).hex(), format_1_name);
}

} // namespace fastptm::weights
