// Prompts, labels and the card that carries them.
#include "weights/format/usage.hpp"

#include <gmock/gmock.h>

#include "weights/format/hash.hpp"
#include "weights/import/labels.hpp"

namespace fastptm::weights {

namespace {

using testing::ElementsAre;
using testing::HasSubstr;

usage some_usage() {
  usage how;
  how.prompts = {{"query", "query: "}, {"empty", ""}, {std::string("z\0ro", 4), "\xc3\xbc"}};
  how.default_prompt = "query";
  how.pools_prompt = false;
  how.labels = {"negative", "positive"};
  how.scores = scoring::any_of;
  return how;
}

// Of a configuration for so many rows; what it is refused with instead.
core::result<usage> labels_of(const std::string& config, uint32_t rows) {
  const auto parsed = core::parse_json(config, "config.json");
  const auto read = read_label_config(*parsed);
  if (!read) return core::fail(read.error());
  usage how;
  if (auto ok = describe_labels(*read, rows, how); !ok) return core::fail(ok.error());
  return how;
}

std::string refusal_of(const std::string& config, uint32_t rows = 2) {
  const auto how = labels_of(config, rows);
  return how ? "accepted" : how.error().message;
}

} // namespace

// -- the card ---------------------------------------------------------------------------------------------------------

TEST(Card, BringsBackUsageAndTokenizer) {
  const auto card = join_card(some_usage(), "tokenizer files");
  const auto parts = split_card(card);
  ASSERT_TRUE(parts) << parts.error().message;
  EXPECT_EQ(parts->how, some_usage());
  EXPECT_EQ(parts->tokenizer, "tokenizer files");
}

TEST(Card, IsTheTokenizersFilesAloneWhereThereIsNothingToSay) {
  EXPECT_EQ(join_card({}, "tokenizer files"), "tokenizer files");
  EXPECT_EQ(join_card({}, ""), "");
}

TEST(Card, OfEarlierVersionsIsATokenizerWithoutUsage) {
  const auto parts = split_card("fastptm-card-1\nfiles");
  ASSERT_TRUE(parts);
  EXPECT_EQ(parts->how, usage{});
  EXPECT_EQ(parts->tokenizer, "fastptm-card-1\nfiles");
}

TEST(Card, WithAnotherByteAnywhereIsNotTheOneThatWasPublished) {
  const auto card = join_card(some_usage(), "tokenizer files");
  const auto name = sha256(card);
  EXPECT_EQ(split_card(card, name)->tokenizer, "tokenizer files");
  for (size_t at = 0; at < card.size(); ++at) {
    auto damaged = card;
    damaged[at] ^= 1;
    const auto parts = split_card(damaged, name);
    ASSERT_FALSE(parts) << at;
    EXPECT_EQ(parts.error().code, core::errc::corrupt);
  }
}

TEST(Card, CutOffOrDamagedIsCorrupt) {
  const auto card = join_card(some_usage(), "");
  for (size_t length = 21; length < card.size(); ++length) {
    const auto parts = split_card(std::string_view(card).substr(0, length));
    ASSERT_FALSE(parts) << length;
    EXPECT_EQ(parts.error().code, core::errc::corrupt);
  }
  auto damaged = card;
  for (size_t at = 21; at < card.size(); ++at) {
    damaged[at] = static_cast<char>(damaged[at] ^ 0x7f);
    split_card(damaged); // an answer, whatever it is: no crash, no endless reading
    damaged[at] = card[at];
  }
}

// -- labels -----------------------------------------------------------------------------------------------------------

TEST(Card, WithMoreThanAnImportLetsThroughIsCorrupt) {
  auto many = some_usage();
  many.prompts.resize(max_prompts);
  EXPECT_TRUE(split_card(join_card(many, "")));
  many.prompts.resize(max_prompts + 1);
  EXPECT_EQ(split_card(join_card(many, "")).error().code, core::errc::corrupt);
  auto wide = some_usage();
  wide.labels = {std::string(max_labels_bytes + 1, 'x')};
  EXPECT_EQ(split_card(join_card(wide, "")).error().code, core::errc::corrupt);
}

TEST(Labels, HaveTheNamesOfTheConfigurationByTheirIds) {
  const auto how = labels_of(R"({"id2label": {"1": "positive", "0": "negative", "2": 7}})", 3);
  ASSERT_TRUE(how) << how.error().message;
  EXPECT_THAT(how->labels, ElementsAre("negative", "positive", "7"));
  EXPECT_EQ(how->scores, scoring::one_of);
}

TEST(Labels, HaveTheLibrarysNamesWhereTheConfigurationHasNone) {
  EXPECT_THAT(labels_of("{}", 2)->labels, ElementsAre("LABEL_0", "LABEL_1"));
  EXPECT_THAT(labels_of(R"({"num_labels": 2, "id2label": null})", 2)->labels, ElementsAre("LABEL_0", "LABEL_1"));
}

TEST(Labels, SayWhatTheirScoresMean) {
  EXPECT_EQ(labels_of(R"({"problem_type": "multi_label_classification"})", 3)->scores, scoring::any_of);
  EXPECT_EQ(labels_of(R"({"problem_type": "multi_label_classification"})", 1)->scores, scoring::any_of);
  EXPECT_EQ(labels_of(R"({"problem_type": "single_label_classification"})", 1)->scores, scoring::one_of);
  EXPECT_EQ(labels_of(R"({"problem_type": "regression"})", 3)->scores, scoring::value);
  EXPECT_EQ(labels_of(R"({"problem_type": null})", 1)->scores, scoring::value);
}

TEST(Labels, AreRefusedWhenTheyAreNoNamesOfTheOutputs) {
  EXPECT_THAT(refusal_of(R"({"id2label": {"0": "a"}})"),
              HasSubstr("id2label has 1 names, but classifier.weight has 2"));
  EXPECT_THAT(refusal_of(R"({"num_labels": 3})"), HasSubstr("num_labels is 3, but classifier.weight has 2"));
  EXPECT_THAT(refusal_of(R"({"id2label": {"0": "a", "2": "b"}})"), HasSubstr("'2' is no id"));
  EXPECT_THAT(refusal_of(R"({"id2label": {"0": "a", "00": "b"}})"), HasSubstr("is no id"));
  EXPECT_THAT(refusal_of(R"({"id2label": {"0": "a", "x": "b"}})"), HasSubstr("'x' is no id"));
  EXPECT_THAT(refusal_of(R"({"id2label": {"0": "a", "1": ""}})"), HasSubstr("label 1"));
  EXPECT_THAT(refusal_of(R"({"id2label": {"0": "a", "1": null}})"), HasSubstr("label 1 is null"));
  EXPECT_THAT(refusal_of(R"({"id2label": ["a", "b"]})"), HasSubstr("id2label must be an object"));
  EXPECT_THAT(refusal_of(R"({"num_labels": "2"})"), HasSubstr("num_labels"));
  EXPECT_THAT(refusal_of(R"({"problem_type": "ranking"})"), HasSubstr("problem_type is ranking"));
  EXPECT_THAT(refusal_of(R"({"id2label": {"0": ")" + std::string(257, 'x') + R"("}})", 1), HasSubstr("label 0"));
}

TEST(Labels, ScoreByTheSigmoidWhereSeveralMayBeTrue) {
  EXPECT_FLOAT_EQ(score_of(scoring::any_of, 0), 0.5f);
  EXPECT_FLOAT_EQ(score_of(scoring::any_of, 2), 0.880797f);
  EXPECT_FLOAT_EQ(score_of(scoring::any_of, -200), 0.0f);
  EXPECT_FLOAT_EQ(score_of(scoring::value, -3.5f), -3.5f);
}

} // namespace fastptm::weights
