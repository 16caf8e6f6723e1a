// A trace against a running cluster, and the schedule that it says it carried out.
#include <algorithm>
#include <fstream>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/random.hpp"
#include "tests/integration/real_binary.hpp"

namespace fastptm::integration {
namespace {

using testing::HasSubstr;

constexpr int models = 24, requests = 200;

std::string some_trace(uint64_t seed) {
  core::prng random(seed);
  std::string text = "[";
  for (int i = 0; i < requests; ++i)
    text += (i == 0 ? "[\"" : ", [\"") + std::string(1, static_cast<char>('A' + random.below(models))) + "\", " +
            std::to_string(0.02 * random.unit()) + "]";
  return text + "]";
}

struct row {
  double start_ms = 0, end_ms = 0;
};

// By lane or pool.
struct exported {
  std::map<uint64_t, std::vector<row>> batches;
  std::map<uint64_t, std::map<uint64_t, std::vector<row>>> lives; // By model; end_ms: when it left.
  std::map<uint64_t, std::vector<std::pair<uint64_t, row>>> ran;  // Model and time.
  std::multiset<uint64_t> requests;
};

exported read(const std::filesystem::path& file) {
  exported out;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    const auto parsed = core::parse_json(line, "export");
    if (!parsed || parsed->array() == nullptr) {
      ADD_FAILURE() << line;
      continue;
    }
    const auto& cells = *parsed->array();
    const auto number = [&](size_t i) { return cells[i].number().value_or(-1e9); };
    const auto index = [&](size_t i) { return cells[i].unsigned_integer().value_or(999); };
    const std::string kind = *cells[0].string();
    if (kind == "L") {
      out.lives[index(1)][index(2)].push_back({number(4), 1e18});
      EXPECT_GE(number(4), number(3));
    } else if (kind == "E") { // Rows are in order of time: it ends the latest life.
      auto& lives = out.lives[index(1)][index(2)];
      if (lives.empty()) {
        ADD_FAILURE() << "left without having come: " << line;
      } else {
        lives.back().end_ms = number(3);
      }
    } else {
      out.batches[index(1)].push_back({number(4), number(5)});
      out.ran[index(2)].emplace_back(index(3), row{number(4), number(5)});
      for (const auto& request : *cells[6].array()) out.requests.insert(request.unsigned_integer().value_or(999));
    }
  }
  return out;
}

TEST(Load, ExportsTheScheduleThatRan) {
  cluster c(config_text(1, 1)); // Not all models fit: weights must move.
  ASSERT_EQ(c.up().code, 0);
  std::string names = "[";
  for (int i = 0; i < models; ++i)
    names += (i == 0 ? "\"" : ", \"") + c.publish("m" + std::to_string(i), static_cast<uint64_t>(i) + 1) + "\"";
  const auto trace = c.where().file("trace.json", some_trace(7)), file = c.where().file("models.json", names + "]");
  const auto schedule = c.where().path() / "schedule.jsonl";
  for (int run = 0; run < 2; ++run) { // The second one finds sets that the first has left.
    const auto done =
        c.ask({"play", trace.string(), "--models", file.string(), "--deadline", "20s", "--export", schedule.string()});
    ASSERT_EQ(done.code, 0) << done.err;
    const auto result = done.json();
    EXPECT_EQ(result.find("n")->unsigned_integer(), requests);
    EXPECT_EQ(result.find("wrong_answers")->unsigned_integer(), 0u);
    EXPECT_EQ(result.find("unanswered")->unsigned_integer(), 0u);
    for (const char* constant :
         {"--exec-ms ", "--exec-base-ms ", "--switch-ms ", "--resident ", "--max-batch ", "--layers "})
      EXPECT_THAT(text_of(result, "check"), HasSubstr(constant));

    const auto* replay = result.find("replay");
    ASSERT_NE(replay, nullptr);
    EXPECT_EQ(*replay->find("ontime")->unsigned_integer() + *replay->find("overtime")->unsigned_integer(), requests);
    EXPECT_GT(replay->find("loads")->unsigned_integer(), 0u); // Not all fit there either.
    EXPECT_LE(replay->find("loads")->unsigned_integer(), requests);
    EXPECT_GT(replay->find("p50_ms")->number(), 0.0);
    EXPECT_GE(replay->find("p99_ms")->number(), replay->find("p50_ms")->number());
    EXPECT_THAT(text_of(*replay, "costs"), testing::StartsWith("-p dxv -m 1 --rate 1 --deadline-ms 20000 "));

    exported all = read(schedule);
    size_t left = 0;
    for (const auto& [pool, by_model] : all.lives)
      for (const auto& [model, lives] : by_model)
        left += static_cast<size_t>(std::ranges::count_if(lives, [](const row& life) { return life.end_ms < 1e18; }));
    EXPECT_GT(left, 0u);
    EXPECT_EQ(all.requests.size(), requests);
    EXPECT_EQ(std::set<uint64_t>(all.requests.begin(), all.requests.end()).size(), requests) << "one ran twice";
    for (auto& [lane, rows] : all.batches) {
      std::sort(rows.begin(), rows.end(), [](const row& a, const row& b) { return a.start_ms < b.start_ms; });
      for (size_t i = 1; i < rows.size(); ++i)
        EXPECT_GE(rows[i].start_ms, rows[i - 1].end_ms) << "two batches at once on lane " << lane;
    }
    for (const auto& [pool, rows] : all.ran)
      for (const auto& [model, at] : rows)
        EXPECT_TRUE(std::ranges::any_of(
            all.lives[pool][model],
            [&](const row& life) { return life.start_ms <= at.end_ms && life.end_ms >= at.end_ms; }))
            << "model " << model << " was not on device " << pool << " at " << at.end_ms << " ms";
  }
}

} // namespace
} // namespace fastptm::integration
