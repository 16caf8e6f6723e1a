// Traces in all their formats; and one clear sentence for what is none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "sim/trace.hpp"
#include "sim/workload.hpp"
#include "tests/support/temporary_folder.hpp"

namespace fastptm::sim {

namespace {

std::filesystem::path scratch(const std::string& name) {
  static const tests::temporary_folder folder; // of this process: tests run beside each other
  return folder / name;
}

std::filesystem::path file_with(const std::string& text) {
  const auto file = scratch("trace.json");
  std::ofstream(file, std::ios::binary | std::ios::trunc) << text;
  return file;
}

std::string said_of(const std::string& text, const trace_options& chosen = {}) {
  const auto file = file_with(text);
  const auto t = read_trace(file, chosen);
  if (t) return "nothing";
  EXPECT_EQ(t.error().code, core::errc::invalid);
  EXPECT_THAT(t.error().message, testing::StartsWith(file.string() + ": "));
  EXPECT_THAT(t.error().message, testing::Not(testing::HasSubstr("\n")));
  return t.error().message;
}

TEST(Trace, OfThePublishedFormatIsReadAsLettersAndGaps) {
  const auto t = read_trace(file_with(R"([["A", 0.5], ["C", 0.25], ["A", 1]])"), {.rate = 2, .deadline_ms = 800});
  ASSERT_TRUE(t) << t.error().message;
  ASSERT_EQ(t->requests.size(), 3u);
  EXPECT_EQ(t->models, 3u);
  EXPECT_DOUBLE_EQ(t->requests[1].arrival_ms, 250);
  EXPECT_EQ(t->requests[1].model, 2u);
  EXPECT_DOUBLE_EQ(t->requests[2].arrival_ms, 375);
  EXPECT_DOUBLE_EQ(t->requests[2].deadline_ms, 1175); // The deadline is not compressed.
  EXPECT_DOUBLE_EQ(t->end_ms, 875);
}

TEST(Trace, AsATimedListMayBringDeadlines) {
  const auto t = read_trace(file_with("[[0, 1], [10.5, 0, 70], [10.5, 4]]"), {.deadline_ms = 100});
  ASSERT_TRUE(t) << t.error().message;
  EXPECT_EQ(t->models, 5u);
  EXPECT_DOUBLE_EQ(t->requests[0].deadline_ms, 100);
  EXPECT_DOUBLE_EQ(t->requests[1].deadline_ms, 80.5);
}

TEST(Trace, IsTakenFromAWorkloadByItsFirstBytes) {
  const auto w = generate({.models = 7, .requests = 100, .rate = 50, .seed = 3});
  const auto file = scratch("trace.bin");
  ASSERT_TRUE(w && write_workload(file, *w));
  const auto t = read_trace(file, {.rate = 4});
  ASSERT_TRUE(t) << t.error().message;
  ASSERT_EQ(t->requests.size(), 100u);
  const workload_request& r = w->requests[40];
  EXPECT_DOUBLE_EQ(t->requests[40].arrival_ms, static_cast<double>(r.at_us) / 1000 / 4);
  EXPECT_DOUBLE_EQ(t->requests[40].deadline_ms - t->requests[40].arrival_ms,
                   w->classes[w->class_of[r.model]].deadline_ms);
}

TEST(Trace, ThatIsNoJsonIsRefusedWithTheByte) {
  EXPECT_THAT(said_of("[[\"A\", 1], [\"B\", }]"), testing::HasSubstr("byte"));
  EXPECT_THAT(said_of("[[\"A\", 1]"), testing::HasSubstr("byte"));
  EXPECT_THAT(said_of("[[\"A\", NaN]]"), testing::HasSubstr("byte"));
  EXPECT_NE(said_of(""), "nothing");
  EXPECT_NE(said_of("[[\"A\", 1e999]]"), "nothing");
}

TEST(Trace, ThatIsNoListOfRecordsIsRefused) {
  EXPECT_THAT(said_of("[]"), testing::HasSubstr("an empty one"));
  EXPECT_THAT(said_of("{\"A\": 1}"), testing::HasSubstr("an object"));
  EXPECT_THAT(said_of("[[\"A\", 1], 7]"), testing::HasSubstr("record 1"));
  EXPECT_THAT(said_of("[[\"A\", 1], [\"A\"]]"), testing::HasSubstr("record 1"));
  EXPECT_THAT(said_of("[[\"A\", 1], [null, 1]]"), testing::HasSubstr("record 1"));
}

TEST(Trace, WithTimesThatCannotBeIsRefusedWithTheRecord) {
  EXPECT_THAT(said_of("[[\"A\", -1]]"), testing::HasSubstr("record 0"));
  EXPECT_THAT(said_of("[[\"A\", \"1\"]]"), testing::HasSubstr("record 0"));
  EXPECT_THAT(said_of("[[\"A\", 1e14]]"), testing::HasSubstr("30 years"));
  EXPECT_THAT(said_of("[[-5, 0]]"), testing::HasSubstr("record 0"));
  EXPECT_THAT(said_of("[[0, 0, 1e300]]"), testing::HasSubstr("deadline"));
  EXPECT_THAT(said_of("[[0, 0], [7, 0], [6.9, 0]]"),
              testing::AllOf(testing::HasSubstr("record 2"), testing::HasSubstr("before")));
}

TEST(Trace, WithModelsThatCannotBeIsRefused) {
  EXPECT_THAT(said_of("[[\"\", 1]]"), testing::HasSubstr("letter"));
  EXPECT_THAT(said_of("[[\"7\", 1]]"), testing::HasSubstr("letter"));
  EXPECT_THAT(said_of("[[0, -1]]"), testing::HasSubstr("model"));
  EXPECT_THAT(said_of("[[0, 1.5]]"), testing::HasSubstr("model"));
  EXPECT_THAT(said_of("[[0, 99999999]]"), testing::HasSubstr("model"));
}

TEST(Trace, IsNotReadWithOptionsThatCannotBe) {
  const auto file = file_with("[[\"A\", 1]]");
  for (const double wrong : {0.0, -1.0, std::nan(""), 1e12}) {
    const auto t = read_trace(file, {.rate = wrong});
    ASSERT_FALSE(t);
    EXPECT_THAT(t.error().message, testing::HasSubstr("--rate"));
  }
  for (const double wrong : {-1.0, std::nan(""), 1e300}) {
    EXPECT_THAT(read_trace(file, {.oversleep_ms = wrong}).error().message, testing::HasSubstr("--oversleep-ms"));
    EXPECT_THAT(read_trace(file, {.deadline_ms = wrong}).error().message, testing::HasSubstr("--deadline-ms"));
  }
}

TEST(Trace, ThatIsNotThereIsNamed) {
  const auto t = read_trace("/nowhere/trace.json", {});
  ASSERT_FALSE(t);
  EXPECT_EQ(t.error().code, core::errc::not_found);
  EXPECT_THAT(t.error().message, testing::HasSubstr("/nowhere/trace.json"));
}

} // namespace

} // namespace fastptm::sim
