// Complete events, instants, and the names of processes and tracks.
#include "cli/load_trace.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "core/json_writer.hpp"

namespace fastptm::cli {

namespace {

class trace_writer {
public:
  void add(const protocol::load_report& report) {
    const auto process = process_of(report.device);
    const auto at = [&](int64_t us) { return report.ordered_us + us; };
    const auto number = report.id.value;
    const auto load = core::json_writer()
                          .number("load", number)
                          .text("outcome", to_string(report.outcome))
                          .text("reason", to_string(report.reason))
                          .number("bytes_moved", report.bytes_moved)
                          .text("critical", report.critical)
                          .number("hidden_ppm", report.hidden_ppm);
    put(process, "loads", report.model, at(0), report.wall_us, load);
    for (const auto& stage : report.stages) {
      if (stage.end_us > stage.start_us)
        put(process, "stage " + stage.name, stage.name, at(stage.start_us), stage.end_us - stage.start_us,
            core::json_writer().number("load", number));
      else if (stage.name != "done")
        put_moment(process, stage.name, at(stage.start_us), number);
    }
    for (const auto& source : report.sources) {
      if (source.end_us <= source.start_us) continue;
      put(process, fmt::format("source {} {} {}", source.kind, source.node, source.path), source.kind,
          at(source.start_us), source.end_us - source.start_us,
          core::json_writer()
              .number("load", number)
              .number("bytes", source.bytes)
              .number("rate_bps", source.rate_bps)
              .flag("failed", source.failed));
    }
  }

  std::string str() const {
    return core::json_writer().raw("traceEvents", events_.str()).text("displayTimeUnit", "ms").str();
  }

private:
  struct track_state {
    uint64_t number = 0;
    int64_t free_us = 0; // its last event has ended
  };

  uint64_t process_of(const std::string& device) {
    const auto [known, is_new] = processes_.try_emplace(device, processes_.size() + 1);
    if (is_new) name("process_name", known->second, 0, device);
    return known->second;
  }

  void name(std::string_view what, uint64_t process, uint64_t track, const std::string& as) {
    auto event = core::json_writer().text("name", what).text("ph", "M").number("pid", process);
    if (track > 0) event.number("tid", track);
    events_.add(event.raw("args", core::json_writer().text("name", as).str()).str());
  }

  uint64_t make_track(uint64_t process, const std::string& of) {
    name("thread_name", process, ++tracks_made_, of);
    return tracks_made_;
  }

  // The first of that name that is free then.
  uint64_t track_for(uint64_t process, const std::string& of, int64_t start_us, int64_t end_us) {
    auto& same = tracks_[{process, of}];
    auto free = std::ranges::find_if(same, [&](const track_state& one) { return one.free_us <= start_us; });
    if (free == same.end()) {
      const auto called = same.empty() ? of : fmt::format("{}, {}", of, same.size() + 1);
      free = same.insert(same.end(), {make_track(process, called), 0});
    }
    free->free_us = end_us;
    return free->number;
  }

  void put(uint64_t process, const std::string& track, std::string_view called, int64_t start_us, int64_t took_us,
           const core::json_writer& more) {
    events_.add(core::json_writer()
                    .text("name", called)
                    .text("ph", "X")
                    .number("ts", start_us)
                    .number("dur", took_us)
                    .number("pid", process)
                    .number("tid", track_for(process, track, start_us, start_us + took_us))
                    .raw("args", more.str())
                    .str());
  }

  void put_moment(uint64_t process, std::string_view called, int64_t at_us, uint64_t load) {
    events_.add(core::json_writer()
                    .text("name", called)
                    .text("ph", "i")
                    .text("s", "t")
                    .number("ts", at_us)
                    .number("pid", process)
                    .number("tid", track_for(process, "moments", at_us, at_us))
                    .raw("args", core::json_writer().number("load", load).str())
                    .str());
  }

  core::json_list events_;
  std::map<std::string, uint64_t> processes_;
  std::map<std::pair<uint64_t, std::string>, std::vector<track_state>> tracks_;
  uint64_t tracks_made_ = 0;
};

} // namespace

// In order of time, so that a track is taken by whoever needs it first.
std::string trace_of(const std::vector<protocol::load_report>& reports) {
  auto ordered = reports;
  std::ranges::sort(ordered, {}, [](const auto& one) { return std::pair(one.ordered_us, one.id.value); });
  trace_writer writer;
  for (const auto& report : ordered) writer.add(report);
  return writer.str();
}

} // namespace fastptm::cli
