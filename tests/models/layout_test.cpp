// Offsets and sizes that are promised to every reader of an image.
#include "weights/format/layout.hpp"

#include <gtest/gtest.h>

namespace fastptm::weights {

namespace {

architecture minilm() {
  architecture arch;
  arch.hidden = 384;
  arch.layers = 6;
  arch.heads = 12;
  arch.intermediate = 1536;
  arch.vocabulary = 30522;
  arch.positions = 512;
  arch.token_types = 2;
  return arch;
}

task embedding() {
  task job;
  job.max_tokens = 256;
  return job;
}

} // namespace

TEST(Layout, TensorsFollowEachOtherAlignedAndWithoutOverlap) {
  auto job = embedding();
  job.has_pooler = true;
  job.kind = task_kind::classify;
  job.labels = 3;
  const auto shards = layout_of(minilm(), job);
  ASSERT_EQ(shards.size(), 8u);
  for (const auto& shard : shards) {
    uint64_t at = 0;
    for (const auto& slot : shard.tensors) {
      EXPECT_EQ(slot.offset_bytes, (at + 255) / 256 * 256) << slot.name;
      uint64_t size = 4;
      for (const auto d : slot.shape) size *= d;
      EXPECT_EQ(slot.size_bytes, size) << slot.name;
      at = slot.offset_bytes + slot.size_bytes;
    }
    EXPECT_EQ(shard.size_bytes, (at + 4095) / 4096 * 4096);
  }
}

TEST(Layout, ShardsComeInTheOrderInWhichARunNeedsThem) {
  auto job = embedding();
  EXPECT_EQ(layout_of(minilm(), job).size(), 7u) << "no head shard without a head";
  job.has_pooler = true;
  const auto shards = layout_of(minilm(), job);
  ASSERT_EQ(shards.size(), 8u);
  EXPECT_EQ(name_of(shards[0]), "embeddings");
  EXPECT_EQ(name_of(shards[1]), "layer 0");
  EXPECT_EQ(name_of(shards[6]), "layer 5");
  EXPECT_EQ(name_of(shards[7]), "head");
}

TEST(Layout, SlotsHaveTheNamesAndShapesOfTheSpecification) {
  auto job = embedding();
  job.kind = task_kind::classify;
  job.has_pooler = true;
  job.labels = 5;
  const auto shards = layout_of(minilm(), job);
  using shape = std::vector<uint64_t>;
  EXPECT_EQ(shards[0].find("word")->shape, (shape{30522, 384}));
  EXPECT_EQ(shards[0].find("position")->shape, (shape{512, 384}));
  EXPECT_EQ(shards[0].find("token_type")->shape, (shape{2, 384}));
  EXPECT_EQ(shards[1].find("qkv.weight")->shape, (shape{1152, 384}));
  EXPECT_EQ(shards[1].find("qkv.weight")->offset_bytes, 0u);
  EXPECT_EQ(shards[1].find("intermediate.weight")->shape, (shape{1536, 384}));
  EXPECT_EQ(shards[1].find("output.weight")->shape, (shape{384, 1536}));
  EXPECT_EQ(shards[7].find("classifier.weight")->shape, (shape{5, 384}));
  EXPECT_EQ(shards[7].find("word"), nullptr);
}

TEST(Architecture, FingerprintsDifferExactlyWhenArchitecturesDo) {
  const auto base = fingerprint(minilm());
  EXPECT_EQ(fingerprint(minilm()), base);
  const auto changed = [&](auto change) {
    auto arch = minilm();
    change(arch);
    return fingerprint(arch);
  };
  EXPECT_NE(changed([](auto& a) { a.hidden = 768; }), base);
  EXPECT_NE(changed([](auto& a) { a.layers = 7; }), base);
  EXPECT_NE(changed([](auto& a) { a.heads = 6; }), base);
  EXPECT_NE(changed([](auto& a) { a.intermediate += 1; }), base);
  EXPECT_NE(changed([](auto& a) { a.vocabulary += 1; }), base);
  EXPECT_NE(changed([](auto& a) { a.positions += 1; }), base);
  EXPECT_NE(changed([](auto& a) { a.token_types += 1; }), base);
  EXPECT_NE(changed([](auto& a) { a.act = activation::relu; }), base);
  EXPECT_NE(changed([](auto& a) { a.layout_tag = 1; }), base);
  EXPECT_NE(changed([](auto& a) { a.layer_norm_eps = 1.0000000000000002e-12; }), base);
}

} // namespace fastptm::weights
