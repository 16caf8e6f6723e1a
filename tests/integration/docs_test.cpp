// What README and docs/ tell people to type works as they say.
#include <algorithm>
#include <fstream>
#include <regex>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/json.hpp"
#include "tests/integration/real_binary.hpp"
#include "tests/support/http_get.hpp"
#include "weights/import/synthetic.hpp"

namespace fastptm::integration {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const fs::path root = FASTPTM_ROOT;

// A command as a document shows it.
struct shown {
  std::string where;              // file:line
  std::vector<std::string> words; // behind `fastptm`
  std::string comment;            // behind a # of a block
  bool in_block = false;          // of lines to type; else in the middle of a sentence

  bool is(std::string_view command) const { return !words.empty() && words.front() == command; }
  bool names(std::string_view word) const { return std::find(words.begin(), words.end(), word) != words.end(); }
};

std::ostream& operator<<(std::ostream& out, const shown& command) {
  out << command.where << ": fastptm";
  for (const auto& word : command.words) out << " " << word;
  return out;
}

// As a shell does it, quotes and all; what is behind a # goes to `comment`.
std::vector<std::string> words_of(const std::string& line, std::string& comment) {
  std::vector<std::string> out;
  char quote = 0;
  bool inside = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote == 0 && !inside && c == '#') {
      comment = line.substr(i + 1);
      break;
    }
    if (quote == 0 && c == ' ') {
      inside = false;
      continue;
    }
    if (!inside) out.emplace_back();
    inside = true;
    if (c == quote)
      quote = 0;
    else if (quote == 0 && (c == '\'' || c == '"'))
      quote = c;
    else
      out.back() += c;
  }
  return out;
}

std::vector<shown> commands_in(const fs::path& file) {
  static const std::regex block(R"(^ {4}(?:BIN/)?fastptm (.*)$)"), span(R"(`(?:BIN/)?fastptm ([a-z][^`]*)`)");
  std::vector<shown> out;
  std::ifstream in(root / file);
  EXPECT_TRUE(in) << file;
  size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    const auto where = file.string() + ":" + std::to_string(++number);
    if (std::smatch found; std::regex_match(line, found, block)) {
      shown one{where, {}, {}, true};
      one.words = words_of(found[1], one.comment);
      out.push_back(one);
      continue;
    }
    for (auto at = std::sregex_iterator(line.begin(), line.end(), span); at != std::sregex_iterator(); ++at) {
      shown one{where, {}, {}, false};
      one.words = words_of((*at)[1], one.comment);
      out.push_back(one);
    }
  }
  return out;
}

std::vector<shown> all_commands() {
  std::vector<fs::path> files{"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"};
  for (const auto& each : fs::recursive_directory_iterator(root / "docs"))
    if (each.path().extension() == ".md") files.push_back(fs::relative(each.path(), root));
  std::vector<shown> out;
  for (const auto& file : files)
    for (auto& each : commands_in(file)) out.push_back(std::move(each));
  return out;
}

TEST(Docs, FiveMinutesOfTheReadmeWork) {
  const workspace w;
  const auto model = w.path() / "model";
  ASSERT_TRUE(weights::write_synthetic_model(model, *weights::synthetic_shape_named("tiny"), 1));
  size_t ran = 0;
  for (const auto& command : commands_in("README.md")) {
    if (!command.in_block) continue;
    SCOPED_TRACE(testing::PrintToString(command));
    auto words = command.words;
    for (auto& word : words) {
      if (word == "/tmp/fastptm") word = w.state().string();
      if (word == "MODELDIR") word = model.string();
      if (word.starts_with("cluster-configs/")) word = (root / word).string();
    }
    ASSERT_TRUE(command.is("version") || std::find(words.begin(), words.end(), w.state().string()) != words.end());
    const auto done = w.run(words);
    ASSERT_EQ(done.code, 0) << done.err;
    if (command.names("--json")) {
      EXPECT_EQ(text_of(done.json(), "status"), "ok") << done.out;
    }
    if (command.comment.find("\"loaded\": false") != std::string::npos) {
      EXPECT_FALSE(done.json().find("loaded")->boolean().value_or(true));
    }
    ++ran;
  }
  EXPECT_GE(ran, 9u);
  EXPECT_TRUE(w.all_gone(5s)) << "the last of the five minutes stops what the first one started";
}

// Every command that a document names, with its subcommand if it has them: the text of its help.
class Named : public testing::Test {
protected:
  std::string help_of(const shown& command) const {
    auto top = w_.run({command.words.front(), "--help"});
    // The help of what stands above answers for a word that is no command.
    if (top.code != 0 || top.out.find("Usage: fastptm [OPTIONS] SUBCOMMAND") != std::string::npos) return {};
    if (top.out.find("\nSubcommands:") == std::string::npos || command.words.size() < 2) return top.out;
    const auto below = w_.run({command.words[0], command.words[1], "--help"});
    return below.code == 0 && below.out.find("\nSubcommands:") == std::string::npos ? below.out : std::string();
  }
  const workspace w_;
};

TEST_F(Named, CommandsAndOptionsExist) {
  const auto commands = all_commands();
  EXPECT_GT(commands.size(), 40u);
  for (const auto& command : commands) {
    const auto help = help_of(command);
    EXPECT_THAT(help, Not(IsEmpty())) << command << ": there is no such command";
    for (const auto& word : command.words)
      if (word.starts_with("--")) {
        EXPECT_TRUE(std::regex_search(help, std::regex(word.substr(0, word.find('=')) + "\\b")))
            << command << ": it has no option " << word;
      }
  }
}

TEST_F(Named, AWordThatIsNoCommandIsFound) {
  EXPECT_THAT(help_of({"here", {"switch-over"}, {}, false}), IsEmpty());
  EXPECT_THAT(help_of({"here", {"bench", "nothing"}, {}, false}), IsEmpty());
}

// Commands of operators and tenants, in the order of the page, on a cluster of one device.
TEST(Docs, CommandsOfTheOperationsPageDoWhatTheySay) {
  cluster c(config_text(1));
  const auto up = c.up();
  ASSERT_EQ(up.code, 0) << up.err;
  const std::vector<std::string> of_interest{"check",     "cordon", "uncordon",        "evict", "drop-cache",
                                             "unpublish", "models", "status",          "loads", "explain",
                                             "version",   "token",  "node-credentials"};
  const std::vector<std::string> of_operators{"cordon", "uncordon", "evict",  "drop-cache",
                                              "status", "loads",    "explain"};
  const auto give_it_work = [&] {
    ASSERT_THAT(c.publish("minilm", 1), HasSubstr("acme/minilm@"));
    ASSERT_THAT(c.embed("acme/minilm"), Not(IsEmpty()));
  };
  give_it_work();
  std::set<std::string> ran;
  for (const auto& command : commands_in("docs/operations.md")) {
    if (std::find(of_interest.begin(), of_interest.end(), command.words.front()) == of_interest.end()) continue;
    SCOPED_TRACE(testing::PrintToString(command));
    if (command.is("explain") && ran.contains("unpublish")) give_it_work();
    auto words = command.words;
    for (auto& word : words) {
      if (word == "FILE") word = c.config_file().string();
      if (word == "N") word = "3";
      if (word == "ID")
        word = std::to_string(c.ask({"loads", "--last", "1"}).json().find("id")->unsigned_integer().value_or(0));
      if (word == "loads.json") word = (c.where().path() / word).string();
      if (word == "MODEL") word = "acme/minilm";
      if (word == "DIR") word = c.where().state().string();
      if (word == "worker-b") word = "worker-0";
      if (word == "for-worker-b") word = (c.where().path() / word).string();
    }
    if ((command.is("unpublish") || command.is("models")) && !command.names("--as"))
      words.insert(words.end(), {"--as", "acme"});
    if (command.is("unpublish") && ran.contains("unpublish")) give_it_work();
    if (command.is("token") && words.size() < 3) continue; // names it
    ended done;
    const bool in_the_cluster = !command.is("check") && !command.is("version") && !command.is("node-credentials");
    // "busy" for the moment between an answer and the end of its load.
    c.eventually([&] { return (done = in_the_cluster ? c.run(words) : c.where().run(words)).code == 0; }, 5s);
    EXPECT_EQ(done.code, 0) << done.err;
    ran.insert(command.words.front());
  }
  EXPECT_EQ(ran.size(), of_interest.size()) << testing::PrintToString(ran);
}

TEST(Docs, ReplaysOfThePagesRun) {
  const workspace w;
  const auto trace = w.file("trace.json", R"([["A", 0.01], ["B", 0.02], ["A", 0.01], ["C", 0.0]])");
  size_t ran = 0;
  for (const auto& command : all_commands()) {
    if (!command.is("replay") || !command.names("TRACE") || command.names("…")) continue;
    SCOPED_TRACE(testing::PrintToString(command));
    auto words = command.words;
    for (auto& word : words) {
      if (word == "TRACE") word = trace.string();
      if (word == "NAME") word = "omls";
      if (word == "page.html") word = (w.path() / word).string();
    }
    const auto done = w.run(words);
    EXPECT_EQ(done.code, 0) << done.err;
    EXPECT_NE(done.json().find("ontime"), nullptr) << done.out;
    ++ran;
  }
  EXPECT_GE(ran, 2u);
}

std::set<std::string> found_in(const std::string& text, const char* pattern) {
  std::set<std::string> out;
  const std::regex wanted(pattern);
  for (auto at = std::sregex_iterator(text.begin(), text.end(), wanted); at != std::sregex_iterator(); ++at)
    out.insert((*at)[1]);
  return out;
}

std::string text_in(const fs::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(Docs, MetricsOfTheOperationsPageAreTheExportedOnes) {
  cluster c(config_text(1));
  const auto up = c.up();
  ASSERT_EQ(up.code, 0) << up.err;
  const auto record = core::parse_json(text_in(c.where().state() / "run" / "head.json"), "head.json");
  ASSERT_TRUE(record);
  const auto exported = found_in(tests::http_get(text_of(*record, "http"), "/metrics"), "# TYPE (fastptm_[a-z_]+) ");
  const auto documented = found_in(text_in(root / "docs/operations.md"), "`(fastptm_[a-z_]+)");
  EXPECT_EQ(documented, exported);
}

} // namespace
} // namespace fastptm::integration
