// What an answer carries and how a model is asked, through the command line: labels, pairs, prompts, lengths.
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/real_binary.hpp"
#include "weights/import/synthetic.hpp"

namespace fastptm::integration {
namespace {

using testing::HasSubstr;
using testing::Not;

class Answers : public testing::Test {
protected:
  void SetUp() override { ASSERT_EQ(cluster_.up().code, 0); }

  // A small model with `members` added to its config.json, and other files.
  std::string publish(const std::string& name, uint32_t labels, const std::string& members,
                      const std::vector<std::pair<std::string, std::string>>& files = {}) {
    auto shape = *weights::synthetic_shape_named("tiny");
    shape.labels = labels;
    const auto folder = cluster_.where().path() / name;
    EXPECT_TRUE(weights::write_synthetic_model(folder, shape, 5));
    std::ifstream in(folder / "config.json");
    std::string config{std::istreambuf_iterator<char>(in), {}};
    if (const auto at = config.find("\"id2label\""); at != config.npos && !members.empty())
      config.replace(at, 10, "\"other\""); // `members` has it
    cluster_.where().file(name + "/config.json", "{" + members + config.substr(1));
    for (const auto& [file, text] : files) cluster_.where().file(name + "/" + file, text);
    const auto done = cluster_.ask({"publish", folder.string(), "--model", name});
    EXPECT_EQ(done.code, 0) << done.err;
    return text_of(done.json(), "model");
  }

  core::json_value ask(const std::vector<std::string>& command) {
    const auto done = cluster_.ask(command);
    EXPECT_EQ(done.code, 0) << done.err;
    return done.json();
  }

  static std::vector<double> numbers(const core::json_value& answer, std::string_view key) {
    std::vector<double> out;
    for (const auto& each : *answer.find(key)->array()) out.push_back(*each.number());
    return out;
  }

  cluster cluster_{config_text(1)};
};

TEST_F(Answers, OfAClassifierNameItsLabels) {
  const auto one = publish("one", 2, R"("id2label": {"0": "no", "1": "yes"},)");
  const auto answer = ask({"classify", one, "--text", "a text"});
  const auto logits = numbers(answer, "logits");
  EXPECT_EQ(text_of(answer, "label_name"), logits.at(1) > logits.at(0) ? "yes" : "no");
  EXPECT_EQ(answer.find("labels"), nullptr);
  const auto any =
      publish("any", 2, R"("id2label": {"0": "no", "1": "yes"}, "problem_type": "multi_label_classification",)");
  const auto several = ask({"classify", any, "--text", "a text"});
  ASSERT_EQ(several.find("labels")->array()->size(), 2u);
  EXPECT_EQ(text_of(several.find("labels")->array()->front(), "name"), "no");
  EXPECT_EQ(numbers(several, "logits"), logits);
}

TEST_F(Answers, ToAPairAreThoseOfItsIdsWithTypes) {
  const auto model = publish("reranker", 1, "");
  const auto file = cluster_.where().file("pairs.json", R"([["a query", "a passage"], ["a passage", "a query"]])");
  const auto done = cluster_.ask({"classify", model, "--pairs", file.string()});
  ASSERT_EQ(done.code, 0) << done.err;
  const auto answers = done.json_lines();
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_NE(numbers(answers[0], "logits"), numbers(answers[1], "logits"));
  EXPECT_EQ(answers[0].find("tokens")->unsigned_integer(), answers[1].find("tokens")->unsigned_integer());
}

TEST_F(Answers, FollowThePromptOfTheModelOrTheOneThatIsNamed) {
  const auto plain = publish("plain", 0, "");
  const auto prompted = publish("prompted", 0, "",
                                {{"config_sentence_transformers.json",
                                  R"({"prompts": {"query": "q: ", "other": "o: "}, "default_prompt_name": "query"})"}});
  const auto vector = [&](const std::vector<std::string>& command) { return numbers(ask(command), "embedding"); };
  EXPECT_EQ(vector({"embed", prompted, "--text", "x"}), vector({"embed", plain, "--text", "q: x"}));
  EXPECT_EQ(vector({"embed", prompted, "--text", "x", "--prompt", "other"}),
            vector({"embed", plain, "--text", "o: x"}));
  const auto unknown = cluster_.ask({"embed", prompted, "--text", "x", "--prompt", "wrong"});
  EXPECT_EQ(unknown.code, 1);
  EXPECT_THAT(unknown.err, HasSubstr("no prompt 'wrong': the model has document, other, query"));
}

TEST_F(Answers, SayWhenATextWasCut) {
  const auto model = publish("short", 0, "");
  const auto whole = ask({"embed", model, "--text", "x"});
  EXPECT_EQ(whole.find("truncated")->boolean(), false);
  EXPECT_EQ(whole.find("tokens")->unsigned_integer(), 3u);
  std::string words;
  for (int i = 0; i < 2000; ++i) words += "x ";
  EXPECT_EQ(ask({"embed", model, "--text", words}).find("truncated")->boolean(), true);
  const auto for_people = cluster_.run({"embed", model, "--text", words, "--text", "x", "--as", "acme"});
  EXPECT_THAT(for_people.err, HasSubstr("1 of 2 texts had more tokens"));
}

TEST_F(Answers, HelpTeachesPairsAndPrompts) {
  EXPECT_THAT(cluster_.where().run({"classify", "--help"}).out, HasSubstr("--pairs"));
  EXPECT_THAT(cluster_.where().run({"embed", "--help"}).out,
              testing::AllOf(HasSubstr("--prompt"), Not(HasSubstr("--pairs"))));
}

} // namespace
} // namespace fastptm::integration
