// What users write on a command line reaches its option as it is, and nothing that they write ends in a crash.
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/integration/real_binary.hpp"

namespace fastptm::integration {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;

// Long options and commands as --help lists them.
std::set<std::string> found_in(const std::string& text, const std::string& pattern) {
  std::set<std::string> out;
  const std::regex wanted(pattern, std::regex::multiline);
  for (auto at = std::sregex_iterator(text.begin(), text.end(), wanted); at != std::sregex_iterator(); ++at)
    out.insert((*at)[1]);
  return out;
}

std::set<std::string> commands_in(const std::string& help) {
  return found_in(help.substr(help.find("Subcommands:")), R"(^  ([a-z][a-z-]*)(?:, [a-z-]+)?  )");
}
std::set<std::string> options_in(const std::string& help) {
  return found_in(help, R"((--[a-zA-Z][a-zA-Z-]*))");
}

const std::vector<std::string> hostile{"",
                                       "[a, b]",
                                       "[",
                                       "]",
                                       "{}",
                                       "a,b,,c",
                                       "-",
                                       "--",
                                       "--json",
                                       "-1",
                                       "%%",
                                       "$(x)`y`",
                                       "\x01\x02\x7f\xff\xfe",
                                       "\xc3\xbc\xf0\x9f\x98\x80\xe2\x80\xae",
                                       "/dev/null",
                                       "/",
                                       "99999999999999999999",
                                       "nan",
                                       std::string(100'000, 'x')};

std::string shown(const std::string& value) {
  return value.size() > 40 ? value.substr(0, 40) + "..." : value;
}

// Every option of every command, each with every hostile value, both ways to give it.
TEST(CommandLine, NoValueOfAnyOptionEndsInACrash) {
  const workspace w;
  const auto state = w.state().string();
  const auto top = w.run({"--help"});
  ASSERT_EQ(top.code, 0);
  auto commands = commands_in(top.out);
  ASSERT_TRUE(commands.contains("embed"));
  size_t runs = 0;
  for (const auto& command : commands) {
    const auto help = w.run({command, "--help"});
    ASSERT_EQ(help.code, 0) << command;
    for (const auto& option : options_in(help.out)) {
      if (option == "--help") continue;
      for (size_t i = runs % 3; i < hostile.size(); i += 3) { // every value meets every kind of option
        const auto& value = hostile[i];
        // Without its other arguments no command starts anything; with these, embed and its like get to their inputs.
        const bool asks = help.out.find("MODEL") != std::string::npos && command != "bench";
        std::vector<std::string> arguments{command};
        if (asks) arguments.emplace_back("acme/m@1");
        const bool joined = i % 2 == 0;
        if (joined) arguments.push_back(option + "=" + value);
        if (!joined) arguments.insert(arguments.end(), {option, value});
        if (option != "--state" && help.out.find("--state") != std::string::npos)
          arguments.insert(arguments.end(), {"--state", state});
        const auto run = w.run(arguments, 20s);
        EXPECT_THAT(run.code, AnyOf(0, 1, 2)) << command << " " << option << " '" << shown(value) << "': " << run.err;
        EXPECT_THAT(run.err, Not(HasSubstr("terminate called"))) << command << " " << option;
      }
      ++runs;
    }
  }
  EXPECT_GT(runs, 60u);
}

class Texts : public testing::Test {
protected:
  static void SetUpTestSuite() {
    shared_ = new cluster(config_text(1));
    const auto up = shared_->up();
    ASSERT_EQ(up.code, 0) << up.err;
    model_ = shared_->publish("m", 1);
  }
  static void TearDownTestSuite() {
    delete shared_;
    shared_ = nullptr;
  }

  static ended ask(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"embed", model_});
    return shared_->ask(arguments);
  }
  static cluster* shared_;
  static std::string model_;
};
cluster* Texts::shared_ = nullptr;
std::string Texts::model_;

// The model has no tokenizer: an answer to every input, each saying so, shows how many there were.
TEST_F(Texts, BracketsCommasAndDashesAreCharacters) {
  for (const auto* text : {"[a, b]", "[hello]", "a,b", "--as", "{}", "%%", "-x"}) {
    EXPECT_EQ(ask({"--text", text}).json_lines().size(), 1u) << text;
    EXPECT_EQ(ask({std::string("--text=") + text}).json_lines().size(), 1u) << text;
  }
  EXPECT_EQ(ask({"--text", "[a, b]", "--text", "c", "--text="}).json_lines().size(), 3u);
}

TEST_F(Texts, AnEmptyTextIsWhatAnEmptyLineIs) {
  const auto lines = shared_->where().file("empty-line.txt", "\n");
  const auto by_line = ask({"--lines", lines.string()}), by_text = ask({"--text="});
  EXPECT_EQ(text_of(by_text.json(), "status"), text_of(by_line.json(), "status"));
  EXPECT_EQ(text_of(by_text.json(), "error"), text_of(by_line.json(), "error"));
}

TEST_F(Texts, ATextMayStandBeforeTheModel) {
  const auto run = shared_->ask({"embed", "--text", "a", model_});
  EXPECT_EQ(run.json_lines().size(), 1u) << run.err;
}

TEST_F(Texts, InputsMayComeThroughAPipe) {
  const auto pipe = shared_->where().path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  auto reader = shared_->where().start({"embed", model_, "--ids", pipe.string(), "--as", "acme", "--state",
                                        shared_->where().state().string(), "--json"});
  std::ofstream(pipe) << "[[5,6,7]]";
  const auto run = reader->wait(20s);
  ASSERT_TRUE(run);
  EXPECT_EQ(run->code, 0) << run->err;
  EXPECT_EQ(ask({"--ids", "/dev/stdin"}).code, 1); // empty: /dev/null
  EXPECT_EQ(ask({"--lines", "/"}).code, 1);
}

TEST_F(Texts, ATokenMayEndWithANewlineAndComeFromAFile) {
  const auto file = shared_->where().state() / "tokens" / "acme";
  std::ifstream in(file);
  std::string token;
  in >> token;
  const std::vector<std::string> command{"models", "--state", shared_->where().state().string()};
  EXPECT_EQ(shared_->where().run_in({{}, {}, {"FASTPTM_TOKEN= " + token + "\r\n"}}, command).code, 0);
  EXPECT_EQ(shared_->where().run_in({{}, {}, {"FASTPTM_TOKEN_FILE=" + file.string()}}, command).code, 0);
  const auto wrong = shared_->where().run_in({{}, {}, {"FASTPTM_TOKEN=" + token + "x"}}, command);
  EXPECT_EQ(wrong.code, 1);
  EXPECT_THAT(wrong.err, Not(HasSubstr(token)));
  const auto missing = shared_->where().run_in({{}, {}, {"FASTPTM_TOKEN_FILE=/nonexistent"}}, command);
  EXPECT_EQ(missing.code, 1);
  EXPECT_THAT(missing.err, HasSubstr("/nonexistent"));
}

TEST_F(Texts, ExplainTakesANameWithoutVersion) {
  const auto told = shared_->run({"explain", "acme/m", "--json"});
  ASSERT_EQ(told.code, 0) << told.err;
  EXPECT_EQ(text_of(told.json(), "model"), model_);
}

} // namespace
} // namespace fastptm::integration
