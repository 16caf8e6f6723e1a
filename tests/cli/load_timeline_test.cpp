// A load as people read it.
#include "cli/load_timeline.hpp"

#include <algorithm>

#include <gmock/gmock.h>

namespace fastptm::cli {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

protocol::load_report cold_load() {
  protocol::load_report report;
  report.id = {17};
  report.model = "acme/minilm@1";
  report.device = "worker-0/host0";
  report.outcome = protocol::load_outcome::ok;
  report.bytes_total = report.bytes_moved = 64 << 20;
  report.wall_us = 100'000;
  report.stages = {{"queue", 0, 10'000},       {"plan", 10'000, 11'000},       {"disk", 11'000, 51'000},
                   {"fetch", 51'000, 61'000},  {"disk", 61'000, 91'000},       {"fetch", 91'000, 100'000},
                   {"done", 100'000, 100'000}, {"first_layer", 60'000, 60'000}};
  report.sources = {{"disk", "head", "io_uring", 64 << 20, 16, 750'000'000, false, 51'000, 100'000}};
  report.limit = {"io_uring", 1'000'000'000, 960'000, "head", "head", true};
  report.critical = "disk";
  report.hidden_ppm = 250'000;
  return report;
}

std::string line_with(const std::vector<std::string>& lines, std::string_view begin) {
  const auto found = std::ranges::find_if(lines, [&](const auto& line) { return line.starts_with(begin); });
  return found == lines.end() ? std::string() : *found;
}

std::string bar_in(const std::string& line) {
  const auto begin = line.find('|');
  return line.substr(begin + 1, line.find('|', begin + 1) - begin - 1);
}

TEST(LoadTimeline, HasABarForEveryStageWithAllItsParts) {
  const auto lines = timeline_of(cold_load());
  EXPECT_THAT(lines.front(),
              HasSubstr("load 17: acme/minilm@1 on worker-0/host0, request, ok: 64.0 of 64.0 MiB in 100.0 ms"));
  const auto disk = bar_in(line_with(lines, "disk  "));
  EXPECT_EQ(disk, "     #####################    ################    ");
  EXPECT_EQ(bar_in(line_with(lines, "queue ")), "#####" + std::string(45, ' '));
  EXPECT_THAT(line_with(lines, "disk  "), ContainsRegex("disk +11.0 +70.0 +70  "));
  EXPECT_EQ(std::ranges::count_if(lines, [](const auto& line) { return line.starts_with("disk  "); }), 1);
  EXPECT_THAT(line_with(lines, "first_layer"), ContainsRegex("first_layer +60.0$"));
}

TEST(LoadTimeline, HasABarForEverySourceWithBytesAndRate) {
  const auto lines = timeline_of(cold_load());
  const auto source = line_with(lines, "head, disk over io_uring");
  EXPECT_EQ(bar_in(source), std::string(25, ' ') + std::string(25, '#'));
  EXPECT_THAT(source, HasSubstr("64.0 MiB, 750 MB/s"));
}

TEST(LoadTimeline, SaysWhatTookTheTimeAndWhatBoundedIt) {
  auto report = cold_load();
  EXPECT_EQ(timeline_of(report).back(),
            "disk took 70.0 of 100.0 ms (70 %), bounded by io_uring of head, which reached 96 % of the 1.00 GB/s that "
            "loads have seen there; the device computed during 25 % of the time.");
  report.critical = "queue";
  report.limit = {"tcp", 500'000'000, 120'000, "worker-1", "worker-0", false};
  EXPECT_EQ(
      verdict_on(report),
      "queue took 10.0 of 100.0 ms (10 %); no link bounded it: the slowest, tcp from worker-1 to worker-0, reached 12 "
      "% of the 500 MB/s that the head measured at its start; the device computed during 25 % of the time.");
}

TEST(LoadTimeline, DoesNotBlameALinkThatCouldHaveCarriedMore) {
  auto report = cold_load();
  report.limit.fraction_ppm = 480'000;
  EXPECT_THAT(verdict_on(report), HasSubstr("; no link bounded it: the slowest, io_uring of head, reached 48 % of"));
  report.limit.fraction_ppm = 960'000;
  report.critical = "fetch"; // from the memory of the store, which had it from its disk
  EXPECT_THAT(verdict_on(report), HasSubstr("; no link bounded it"));
}

TEST(LoadTimeline, IsWithinAScreenAndPlain) {
  for (const auto& line : timeline_of(cold_load())) {
    EXPECT_LE(line.size(), 200u) << line;
    EXPECT_TRUE(std::ranges::all_of(line, [](char c) { return c >= ' ' && c <= '~'; })) << line;
  }
}

TEST(LoadTimeline, OfALoadThatFailedSaysWhy) {
  auto report = cold_load();
  report.outcome = protocol::load_outcome::failed;
  report.error = "no chunk has come within 30000 ms";
  report.limit = {};
  const auto lines = timeline_of(report);
  EXPECT_EQ(lines[1], "  no chunk has come within 30000 ms");
  EXPECT_THAT(lines.back(), HasSubstr("nothing came over a link"));
}

TEST(LoadTimeline, OfALoadOfNothingIsShort) {
  protocol::load_report report;
  report.stages = {{"done", 0, 0}};
  const auto lines = timeline_of(report);
  EXPECT_EQ(lines.back(), "Nothing had to be done.");
  EXPECT_THAT(line_with(lines, "STAGE"), Not(HasSubstr("nan")));
}

} // namespace
} // namespace fastptm::cli
