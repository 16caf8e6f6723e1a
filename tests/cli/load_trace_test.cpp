// What a viewer of traces reads: events lie within their loads, and on one track one after the other.
#include "cli/load_trace.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include <gtest/gtest.h>

#include "core/json.hpp"
#include "core/random.hpp"

namespace fastptm::cli {
namespace {

struct event {
  std::string name, phase, track;
  int64_t start_us = 0, end_us = 0;
  uint64_t process = 0, load = 0;
};

std::vector<event> events_of(const std::string& text) {
  const auto parsed = core::parse_json(text, "trace");
  if (!parsed) {
    ADD_FAILURE() << parsed.error().message;
    return {};
  }
  std::map<std::pair<uint64_t, uint64_t>, std::string> tracks;
  std::vector<event> events;
  for (const auto& each : *parsed->find("traceEvents")->array()) {
    event made;
    made.name = *each.find("name")->string();
    made.phase = *each.find("ph")->string();
    made.process = *each.find("pid")->unsigned_integer();
    const auto* track = each.find("tid");
    if (made.phase == "M") {
      if (made.name == "thread_name")
        tracks[{made.process, *track->unsigned_integer()}] = *each.find("args")->find("name")->string();
      continue;
    }
    made.track = tracks.at({made.process, *track->unsigned_integer()}); // named before it is used
    made.start_us = *each.find("ts")->integer();
    made.end_us = made.start_us + (made.phase == "X" ? *each.find("dur")->integer() : 0);
    made.load = *each.find("args")->find("load")->unsigned_integer();
    events.push_back(std::move(made));
  }
  return events;
}

// Loads of two devices: one waits while the other is under way, as they do.
std::vector<protocol::load_report> some_loads(uint64_t seed) {
  core::prng random(seed);
  std::vector<protocol::load_report> reports;
  int64_t now = 1'000'000;
  for (uint64_t number = 1; number <= 20; ++number) {
    protocol::load_report report;
    report.id = {number};
    report.model = "acme/m@" + std::to_string(number);
    report.device = number % 3 == 0 ? "worker-1/host0" : "worker-0/host0";
    report.ordered_us = now += static_cast<int64_t>(random.below(500));
    int64_t at_us = 0;
    for (const auto* name : {"decide", "queue", "plan", "disk", "fetch", "disk", "fetch"}) {
      const auto start_us = at_us;
      at_us += static_cast<int64_t>(random.below(300));
      report.stages.push_back({name, start_us, at_us});
    }
    report.wall_us = at_us;
    report.stages.push_back({"done", at_us, at_us});
    report.stages.push_back({"first_result", at_us + 50, at_us + 50});
    report.sources = {{"same_device", "worker-0", "", 4096, 0, 0, false},
                      {"host_cache", "head", "map", 4096, 1, 5'000, false, at_us / 2, at_us},
                      {"peer_device", "worker-9", "tcp", 4096, 1, 5'000, true, at_us / 3, at_us - 1}};
    reports.push_back(std::move(report));
  }
  return reports;
}

TEST(LoadTrace, EventsLieWithinTheirLoadAndTracksHoldOneAtATime) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    const auto reports = some_loads(seed);
    const auto events = events_of(trace_of(reports));
    std::map<uint64_t, event> loads;
    for (const auto& one : events)
      if (one.track.starts_with("loads")) loads[one.load] = one;
    ASSERT_EQ(loads.size(), reports.size());
    size_t stages = 0, sources = 0;
    for (const auto& one : events) {
      const auto& load = loads.at(one.load);
      EXPECT_EQ(one.process, load.process);
      if (one.phase != "X") continue;
      EXPECT_GE(one.start_us, load.start_us) << one.track;
      EXPECT_LE(one.end_us, load.end_us) << one.track;
      stages += one.track.starts_with("stage ");
      sources += one.track.starts_with("source ");
    }
    EXPECT_GT(stages, 80u);
    EXPECT_GE(sources, 35u);
    std::map<std::pair<uint64_t, std::string>, int64_t> free_us;
    auto ordered = events;
    std::ranges::sort(ordered, {}, [](const event& one) { return std::pair(one.start_us, one.end_us); });
    for (const auto& one : ordered) {
      auto& free = free_us[{one.process, one.track}];
      EXPECT_GE(one.start_us, free) << one.track;
      free = one.end_us;
    }
  }
}

TEST(LoadTrace, HasAProcessForEachDeviceAndATrackForEachStageAndSource) {
  const auto events = events_of(trace_of(some_loads(1)));
  std::set<uint64_t> processes;
  std::set<std::string> tracks;
  for (const auto& one : events) {
    processes.insert(one.process);
    tracks.insert(one.track);
  }
  EXPECT_EQ(processes.size(), 2u);
  for (const auto* track : {"loads", "loads, 2", "stage decide", "stage queue", "stage plan", "stage disk",
                            "stage fetch", "source host_cache head map", "source peer_device worker-9 tcp", "moments"})
    EXPECT_TRUE(tracks.contains(track)) << track;
  EXPECT_FALSE(tracks.contains("source same_device worker-0 ")) << "nothing was fetched";
}

TEST(LoadTrace, OfNoLoadsIsATraceToo) {
  EXPECT_EQ(trace_of({}), R"({"traceEvents":[],"displayTimeUnit":"ms"})");
}

} // namespace
} // namespace fastptm::cli
