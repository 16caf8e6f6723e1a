// Equal configurations have equal texts, others have others, and nothing else is read.
#include "models/canonical.hpp"

#include <gtest/gtest.h>

#include "models/encoder/config.hpp"
#include "models/registry.hpp"

namespace fastptm::models {

namespace {

using encoder::config;

config minilm() {
  return {.hidden = 384,
          .layers = 6,
          .heads = 12,
          .intermediate = 1536,
          .vocabulary = 30522,
          .positions = 512,
          .token_types = 2};
}

} // namespace

TEST(Canonical, IsWhatPublishedManifestsHold) {
  EXPECT_EQ(to_canonical(minilm()), "hidden=384\nlayers=6\nheads=12\nintermediate=1536\nvocabulary=30522\n"
                                    "positions=512\ntoken_types=2\n");
}

TEST(Canonical, IsReadBackAndDiffersExactlyWhenANumberDoes) {
  const auto base = to_canonical(minilm());
  const auto changed = [&](auto change) {
    auto numbers = minilm();
    change(numbers);
    const auto text = to_canonical(numbers);
    const auto read = from_canonical<config>(text);
    EXPECT_TRUE(read);
    EXPECT_EQ(to_canonical(*read), text);
    return text;
  };
  EXPECT_EQ(changed([](auto&) {}), base);
  EXPECT_NE(changed([](auto& c) { c.hidden = 768; }), base);
  EXPECT_NE(changed([](auto& c) { c.layers = 7; }), base);
  EXPECT_NE(changed([](auto& c) { c.heads = 6; }), base);
  EXPECT_NE(changed([](auto& c) { c.intermediate += 1; }), base);
  EXPECT_NE(changed([](auto& c) { c.vocabulary += 1; }), base);
  EXPECT_NE(changed([](auto& c) { c.positions += 1; }), base);
  EXPECT_NE(changed([](auto& c) { c.token_types = 0; }), base);
  EXPECT_NE(changed([](auto& c) { c.act = encoder::activation::relu; }), base);
  EXPECT_NE(changed([](auto& c) { c.pooler_act = encoder::activation::relu; }), base);
  EXPECT_NE(changed([](auto& c) { c.layer_norm_eps = 1.0000000000000002e-12; }), base);
}

TEST(Canonical, AnyOtherSpellingIsRefused) {
  for (const char* text :
       {"hidden=384", "hidden=384\n\n", "hidden=0384\n", "hidden=+384\n", "hidden= 384\n", "layers=6\nhidden=384\n",
        "hidden=384\nhidden=384\n", "hidden=0\n", "hidden=4294967296\n", "hidden=384x\n", "unknown=1\n",
        "hiddenlayers=6\n", "activation=256\n", "layer_norm_eps=3d719799812dea11\n", "layer_norm_eps=1e-12\n"})
    EXPECT_FALSE(from_canonical<config>(text)) << text;
}

TEST(Families, AreFoundByTheNameThatManifestsHold) {
  for (const auto* each : families()) EXPECT_EQ(find_family(each->name()), each);
  EXPECT_EQ(find_family("unheard-of"), nullptr);
  EXPECT_EQ(find_family(""), nullptr);
}

TEST(Families, DescribeWhatTheyRead) {
  const auto facts = describe(encoder::architecture_of("distilbert", minilm()));
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->name, "distilbert-6x384-f32");
  EXPECT_EQ(facts->features, 384u);
  EXPECT_EQ(facts->weights_per_token, 6u * (4 * 384 * 384 + 2 * 384 * 1536));
  EXPECT_FALSE(describe({.family = "unheard-of", .configuration = to_canonical(minilm())}));
}

} // namespace fastptm::models
