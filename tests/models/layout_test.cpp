// Offsets and sizes that are promised to every reader of an image.
#include "models/encoder/layout.hpp"

#include <gtest/gtest.h>

namespace fastptm::models::encoder {

namespace {

config minilm() {
  config arch;
  arch.hidden = 384;
  arch.layers = 6;
  arch.heads = 12;
  arch.intermediate = 1536;
  arch.vocabulary = 30522;
  arch.positions = 512;
  arch.token_types = 2;
  return arch;
}

models::task embedding() {
  models::task job;
  job.max_tokens = 256;
  return job;
}

} // namespace

TEST(Layout, TensorsFollowEachOtherAlignedAndWithoutOverlap) {
  auto job = embedding();
  job.has_pooler = true;
  job.kind = core::task_kind::classify;
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
  job.kind = core::task_kind::classify;
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

TEST(Layout, AnEncoderWithoutTokenTypesHasNoTableOfThem) {
  auto numbers = minilm();
  numbers.token_types = 0;
  EXPECT_EQ(layout_of(numbers, embedding())[0].find("token_type"), nullptr);
}

} // namespace fastptm::models::encoder
