// Texts at the gateway: prompts, pairs, what was cut, names of labels.
// A real tokenizer in front of doubles of the actors.
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/tokenizer.hpp"
#include "tests/rpc/fake_cluster.hpp"
#include "tests/support/temporary_folder.hpp"
#include "weights/format/hash.hpp"
#include "weights/format/usage.hpp"

namespace fastptm::rpc {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

// ids:                    0      1      2      3      4      5      6      7    8    9    10
constexpr const char* vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nquery\npassage\n:\na\nb\nc\n";

// Models with one card: "acme/m@1" embeds, "acme/c@1" classifies; both read at most eight tokens.
class Texts : public testing::Test {
protected:
  void publish(const weights::usage& how, bool with_tokenizer = true) {
    const fs::path folder = cluster_.spool() / "tokenizer";
    fs::create_directories(folder);
    std::ofstream(folder / "vocab.txt") << vocabulary;
    const auto tokenizer =
        with_tokenizer ? engine::pack_card(folder, engine::special_tokens::library) : core::result<std::string>("");
    ASSERT_TRUE(tokenizer) << tokenizer.error().message;
    auto& told = cluster_.told();
    told.card_file = cluster_.spool() / "card";
    const auto card = weights::join_card(how, *tokenizer);
    std::ofstream(told.card_file, std::ios::binary) << card;
    auto row = told.models.rows.front();
    row.card = weights::sha256(card);
    told.models.rows = {row, row};
    told.models.rows[1].id = {9};
    told.models.rows[1].name = "acme/c@1";
    told.models.rows[1].task = protocol::task_kind::classify;
    client_ = std::move(*cluster_.connect());
  }

  clients::answer ask(const clients::input& what, core::task_kind task = core::task_kind::embed,
                      core::duration_us deadline_us = 10'000'000) {
    clients::answer out;
    client_->infer(task == core::task_kind::classify ? "c" : "m", task, what, deadline_us,
                   [&](clients::answer got) { out = std::move(got); });
    while (client_->pending() > 0) client_->run_until_answer(core::monotonic_now_us() + 20'000'000);
    return out;
  }

  static clients::input text(std::string of, std::string prompt = {}) {
    clients::input out;
    out.text = std::move(of);
    out.prompt = std::move(prompt);
    out.is_text = true;
    return out;
  }

  static clients::input pair(std::string first, std::string second) {
    clients::input out;
    out.text = std::move(first);
    out.second = std::move(second);
    out.is_pair = true;
    return out;
  }

  static clients::input ids(std::vector<int32_t> of) {
    clients::input out;
    out.ids = std::move(of);
    return out;
  }

  static weights::usage with_prompts() {
    weights::usage how;
    how.prompts = {{"q", "query: "}, {"p", "passage: "}};
    return how;
  }

  fake_cluster cluster_;
  std::unique_ptr<clients::tenant_client> client_;
};

TEST_F(Texts, AnswersSayHowManyTokensWereReadAndWhetherTheTextWasCut) {
  publish({});
  const auto whole = ask(text("a b c"));
  EXPECT_THAT(whole.output, ElementsAre(2, 8, 9, 10, 3)) << whole.error;
  EXPECT_EQ(whole.tokens, 5u);
  EXPECT_FALSE(whole.truncated);
  const auto cut = ask(text("a b c a b c a b c"));
  EXPECT_EQ(cut.tokens, 8u);
  EXPECT_TRUE(cut.truncated);
  EXPECT_THAT(cluster_.metrics().exposition(), HasSubstr("fastptm_rpc_cut_texts_total 1"));
  const auto given = ask(ids({2, 8, 3}));
  EXPECT_EQ(given.tokens, 3u);
  EXPECT_FALSE(given.truncated);
}

TEST_F(Texts, TheDefaultPromptStandsBeforeEveryText) {
  auto how = with_prompts();
  how.default_prompt = "q";
  publish(how);
  EXPECT_THAT(ask(text("a")).output, ElementsAre(2, 5, 7, 8, 3));
  EXPECT_THAT(ask(text("a", "p")).output, ElementsAre(2, 6, 7, 8, 3));
  EXPECT_THAT(ask(text("a", "document")).output, ElementsAre(2, 8, 3));
  EXPECT_THAT(ask(ids({2, 8, 3})).output, ElementsAre(2, 8, 3));
}

TEST_F(Texts, APromptIsAskedForByName) {
  publish(with_prompts());
  EXPECT_THAT(ask(text("a")).output, ElementsAre(2, 8, 3));
  EXPECT_THAT(ask(text("a", "q")).output, ElementsAre(2, 5, 7, 8, 3));
  const auto unknown = ask(text("a", "r"));
  EXPECT_EQ(unknown.status, "invalid");
  EXPECT_THAT(unknown.error, HasSubstr("no prompt 'r': the model has document, p, q, query"));
  auto without_text = ids({2, 3});
  without_text.prompt = "q";
  EXPECT_EQ(ask(without_text).status, "invalid");
}

TEST_F(Texts, APromptThatIsNotPooledIsCountedWithTheOpeningToken) {
  auto how = with_prompts();
  how.pools_prompt = false;
  publish(how);
  EXPECT_THAT(ask(text("a b", "q")).output, ElementsAre(2, 5, 7, 8, 9, 3));
  EXPECT_EQ(cluster_.told().last_input.unpooled, 3u); // [CLS] query :
  ask(text("a b"));
  EXPECT_EQ(cluster_.told().last_input.unpooled, 0u);
}

TEST_F(Texts, APairIsReadTogetherToClassify) {
  publish({});
  const auto got = ask(pair("a b", "c"), core::task_kind::classify);
  EXPECT_THAT(got.output, ElementsAre(2, 8, 9, 3, 10, 3)) << got.error;
  EXPECT_THAT(cluster_.told().last_input.token_types, ElementsAre(0, 0, 0, 0, 1, 1));
  EXPECT_FALSE(got.truncated);
  const auto cut = ask(pair("a", "c c c c c c c c c"), core::task_kind::classify);
  EXPECT_THAT(cut.output, ElementsAre(2, 8, 3, 10, 10, 10, 10, 3));
  EXPECT_TRUE(cut.truncated);
  const auto embedded = ask(pair("a", "b"));
  EXPECT_EQ(embedded.status, "invalid");
  EXPECT_THAT(embedded.error, HasSubstr("only to classify"));
  EXPECT_THAT(ask(pair("", ""), core::task_kind::classify).output, ElementsAre(2, 3, 3));
}

TEST_F(Texts, AnEmptyTextIsAText) {
  publish({});
  EXPECT_THAT(ask(text("")).output, ElementsAre(2, 3));
}

TEST_F(Texts, AClassifiersAnswerNamesItsLabel) {
  weights::usage how;
  how.labels = {"no", "maybe", "yes"};
  publish(how);
  const auto got = ask(ids({1, 7, 3}), core::task_kind::classify); // the double echoes them as logits
  EXPECT_EQ(got.label, 1);
  EXPECT_EQ(got.label_name, "maybe");
  EXPECT_TRUE(got.labels.empty());
}

TEST_F(Texts, EveryLabelHasAScoreWhereSeveralMayBeTrue) {
  weights::usage how;
  how.labels = {"red", "round"};
  how.scores = weights::scoring::any_of;
  publish(how, false);
  const auto got = ask(ids({0, 2}), core::task_kind::classify);
  ASSERT_EQ(got.labels.size(), 2u) << got.error;
  EXPECT_EQ(got.labels[0].name, "red");
  EXPECT_FLOAT_EQ(got.labels[0].score, 0.5f);
  EXPECT_FLOAT_EQ(got.labels[1].score, 0.880797f);
  EXPECT_EQ(ask(text("a"), core::task_kind::classify).status, "invalid"); // no tokenizer
}

TEST_F(Texts, ARegressionNamesItsValuesWhereThereAreSeveral) {
  weights::usage how;
  how.labels = {"joy", "fear"};
  how.scores = weights::scoring::value;
  publish(how);
  const auto got = ask(ids({3, 5}), core::task_kind::classify);
  ASSERT_EQ(got.labels.size(), 2u);
  EXPECT_FLOAT_EQ(got.labels[1].score, 5.0f);
}

TEST_F(Texts, ACardThatIsDamagedOnTheDiskAnswersNobody) {
  publish(with_prompts());
  const auto& file = cluster_.told().card_file;
  const auto right = tests::read_file(file);
  auto damaged = right;
  damaged[damaged.rfind("passage")] = 'm'; // "passage" is another token now
  std::ofstream(file, std::ios::binary) << damaged;
  const auto refused = ask(text("passage a"), core::task_kind::embed, 50'000);
  EXPECT_EQ(refused.status, "unavailable");
  EXPECT_THAT(refused.error, HasSubstr("publish the model again"));
  std::ofstream(file, std::ios::binary) << right; // as publishing again does
  EXPECT_EQ(ask(text("passage a")).status, "ok");
}

TEST_F(Texts, AModelOfAnEarlierVersionHasNoNames) {
  publish({});
  const auto got = ask(ids({1, 7, 3}), core::task_kind::classify);
  EXPECT_EQ(got.label, 1);
  EXPECT_EQ(got.label_name, "");
}

} // namespace
} // namespace fastptm::rpc
