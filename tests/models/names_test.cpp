// What checkpoints call the tensors of every family's layout.
#include "models/registry.hpp"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/encoder/config.hpp"

namespace fastptm::models {

namespace {

models::architecture small(std::string_view family, uint32_t token_types) {
  return encoder::architecture_of(family, {.hidden = 8,
                                           .layers = 1,
                                           .heads = 1,
                                           .intermediate = 16,
                                           .vocabulary = 10,
                                           .positions = 4,
                                           .token_types = token_types});
}

// Of a classifier with every part.
std::set<std::string> names_of(const family& of, const models::architecture& arch, std::string_view prefix) {
  std::set<std::string> all;
  const models::task job{.kind = core::task_kind::classify, .has_pooler = true, .labels = 2, .max_tokens = 4};
  for (const auto& shard : of.layout_of(arch, job)) {
    for (const auto& slot : shard.tensors) {
      for (auto& name : of.names().sources_of(shard, slot, prefix))
        EXPECT_TRUE(all.insert(name).second) << name << " fills two slots";
    }
  }
  return all;
}

} // namespace

// The list is that of a DistilBertForSequenceClassification saved by transformers.
TEST(Names, OfDistilbertAreThoseThatTheLibraryWrites) {
  const auto* family = find_family("distilbert");
  ASSERT_NE(family, nullptr);
  const std::set<std::string> expected{"classifier.bias",
                                       "classifier.weight",
                                       "distilbert.embeddings.LayerNorm.bias",
                                       "distilbert.embeddings.LayerNorm.weight",
                                       "distilbert.embeddings.position_embeddings.weight",
                                       "distilbert.embeddings.word_embeddings.weight",
                                       "distilbert.transformer.layer.0.attention.k_lin.bias",
                                       "distilbert.transformer.layer.0.attention.k_lin.weight",
                                       "distilbert.transformer.layer.0.attention.out_lin.bias",
                                       "distilbert.transformer.layer.0.attention.out_lin.weight",
                                       "distilbert.transformer.layer.0.attention.q_lin.bias",
                                       "distilbert.transformer.layer.0.attention.q_lin.weight",
                                       "distilbert.transformer.layer.0.attention.v_lin.bias",
                                       "distilbert.transformer.layer.0.attention.v_lin.weight",
                                       "distilbert.transformer.layer.0.ffn.lin1.bias",
                                       "distilbert.transformer.layer.0.ffn.lin1.weight",
                                       "distilbert.transformer.layer.0.ffn.lin2.bias",
                                       "distilbert.transformer.layer.0.ffn.lin2.weight",
                                       "distilbert.transformer.layer.0.output_layer_norm.bias",
                                       "distilbert.transformer.layer.0.output_layer_norm.weight",
                                       "distilbert.transformer.layer.0.sa_layer_norm.bias",
                                       "distilbert.transformer.layer.0.sa_layer_norm.weight",
                                       "pre_classifier.bias",
                                       "pre_classifier.weight"};
  EXPECT_EQ(names_of(*family, small("distilbert", 0), "distilbert."), expected);
}

TEST(Names, WithoutTheirPrefixAreThoseOfTheEncoderAlone) {
  for (const auto& [name, types] : {std::pair("bert", 2u), std::pair("distilbert", 0u)}) {
    const auto& family = *find_family(name);
    const auto with = names_of(family, small(name, types), family.names().prefix());
    const auto without = names_of(family, small(name, types), "");
    EXPECT_EQ(with.size(), without.size());
    for (const auto& each : without)
      EXPECT_TRUE(with.contains(each) || with.contains(std::string(family.names().prefix()) + each)) << each;
  }
}

TEST(Names, LeaveOutExactlyWhatServingDoesNotNeed) {
  const auto& names = find_family("distilbert")->names();
  EXPECT_TRUE(names.is_pretraining_head("vocab_projector.weight"));
  EXPECT_FALSE(names.is_pretraining_head("vocab_projector.weight2"));
  EXPECT_TRUE(names.is_classifier("pre_classifier.bias"));
  EXPECT_FALSE(names.is_classifier("qa_outputs.weight"));
}

TEST(DistilbertConfig, ReadsItsOwnKeysAndRefusesOtherClasses) {
  const auto& family = *find_family("distilbert");
  const auto read = [&](const char* text) { return family.read(*core::parse_json(text, "config.json", {})); };
  const auto model = read(R"({"dim": 64, "n_layers": 2, "n_heads": 4, "hidden_dim": 128, "vocab_size": 128,
                              "max_position_embeddings": 64, "activation": "relu",
                              "architectures": ["DistilBertForSequenceClassification"]})");
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->kind, core::task_kind::classify);
  EXPECT_EQ(model->arch, encoder::architecture_of("distilbert", {.hidden = 64,
                                                                 .layers = 2,
                                                                 .heads = 4,
                                                                 .intermediate = 128,
                                                                 .vocabulary = 128,
                                                                 .positions = 64,
                                                                 .token_types = 0,
                                                                 .act = encoder::activation::relu,
                                                                 .pooler_act = encoder::activation::relu}));
  EXPECT_THAT(read(R"({})")->defaults, testing::Contains("n_layers 6"));
  EXPECT_THAT(read(R"({"dim": 10, "n_heads": 3})").error().message, testing::HasSubstr("dim 10 is not divisible"));
  EXPECT_THAT(read(R"({"architectures": ["DistilBertForQuestionAnswering"]})").error().message,
              testing::HasSubstr("DistilBertForQuestionAnswering"));
}

} // namespace fastptm::models
