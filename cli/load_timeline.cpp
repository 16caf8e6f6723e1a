// Bars of a fixed width over the time of the load.
#include "cli/load_timeline.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "protocol/stage_times.hpp"

namespace fastptm::cli {

namespace {

constexpr int64_t bar_columns = 50;

double milliseconds(int64_t us) {
  return static_cast<double>(us) / 1000;
}
double mib(uint64_t bytes) {
  return static_cast<double>(bytes) / (1 << 20);
}
std::string rate(uint64_t bps) {
  return bps < 1'000'000'000 ? fmt::format("{:.0f} MB/s", static_cast<double>(bps) / 1e6)
                             : fmt::format("{:.2f} GB/s", static_cast<double>(bps) / 1e9);
}
int64_t percent(int64_t part, int64_t of) {
  return of > 0 ? (part * 100 + of / 2) / of : 0;
}
uint64_t percent(uint64_t ppm) {
  return (ppm + 5'000) / 10'000;
}

// Where the part lies is marked; of what is too short to be seen one column.
void mark(std::string& bar, int64_t start_us, int64_t end_us, int64_t wall_us) {
  const auto column = [&](int64_t at_us) {
    return std::clamp<int64_t>(at_us * bar_columns / std::max<int64_t>(wall_us, 1), 0, bar_columns - 1);
  };
  const auto first = column(start_us), last = end_us > start_us ? column(end_us - 1) : first;
  for (auto i = first; i <= last; ++i) bar[static_cast<size_t>(i)] = '#';
}

std::string bar_of(const protocol::load_report& report, std::string_view stage) {
  std::string bar(bar_columns, ' ');
  for (const auto& part : report.stages)
    if (part.name == stage) mark(bar, part.start_us, part.end_us, report.wall_us);
  return bar;
}

void add_stages(std::vector<std::string>& lines, const protocol::load_report& report) {
  lines.push_back(fmt::format("{:<14} {:>9} {:>9} {:>4}  |{:<{}}|", "STAGE", "FROM ms", "ms", "%",
                              fmt::format("0{:>{}.1f} ms", milliseconds(report.wall_us), bar_columns - 4),
                              bar_columns));
  std::vector<std::string_view> told;
  for (const auto& part : report.stages) {
    const bool is_moment = part.start_us == part.end_us;
    if (is_moment || std::ranges::find(told, part.name) != told.end()) continue;
    told.emplace_back(part.name);
    const auto took_us = time_of(report, part.name);
    lines.push_back(fmt::format("{:<14} {:>9.1f} {:>9.1f} {:>4}  |{}|", part.name, milliseconds(part.start_us),
                                milliseconds(took_us), percent(took_us, report.wall_us), bar_of(report, part.name)));
  }
  for (const auto& part : report.stages)
    if (part.start_us == part.end_us && part.name != "done")
      lines.push_back(fmt::format("{:<14} {:>9.1f}", part.name, milliseconds(part.start_us)));
}

void add_sources(std::vector<std::string>& lines, const protocol::load_report& report) {
  if (report.sources.empty()) return;
  lines.emplace_back();
  lines.push_back(fmt::format("{:<39}  |{:<{}}|", "SOURCE", "", bar_columns));
  for (const auto& source : report.sources) {
    std::string bar(bar_columns, ' ');
    if (source.end_us > 0) mark(bar, source.start_us, source.end_us, report.wall_us);
    const auto way = source.path.empty() ? source.kind : fmt::format("{} over {}", source.kind, source.path);
    lines.push_back(fmt::format("{:<39}  |{}| {:.1f} MiB{}{}", fmt::format("{}, {}", source.node, way), bar,
                                mib(source.bytes), source.rate_bps > 0 ? ", " + rate(source.rate_bps) : "",
                                source.failed ? ", FAILED" : ""));
  }
}

// A link has bounded the load if most of the time was spent on it, and most of what it can carry was reached.
bool is_bound(const protocol::load_report& report) {
  const bool is_disk = std::ranges::any_of(report.sources, [&](const protocol::source_report& source) {
    return source.kind == "disk" && source.path == report.limit.link && source.node == report.limit.from;
  });
  const bool was_it = is_disk ? report.critical == "disk" : report.critical == "fetch";
  return was_it && report.limit.fraction_ppm >= 500'000;
}

std::string bound_of(const protocol::load_report& report) {
  const auto& limit = report.limit;
  if (limit.link.empty()) return "; nothing came over a link";
  const auto link = limit.from == limit.to ? fmt::format("{} of {}", limit.link, limit.from)
                                           : fmt::format("{} from {} to {}", limit.link, limit.from, limit.to);
  if (limit.rate_bps == 0) return fmt::format("; what {} can carry is not known", link);
  const auto reached = fmt::format("reached {} % of the {} that {}", percent(limit.fraction_ppm), rate(limit.rate_bps),
                                   limit.is_measured ? "loads have seen there" : "the head measured at its start");
  return is_bound(report) ? fmt::format(", bounded by {}, which {}", link, reached)
                          : fmt::format("; no link bounded it: the slowest, {}, {}", link, reached);
}

} // namespace

std::string verdict_on(const protocol::load_report& report) {
  if (report.critical.empty()) return "Nothing had to be done.";
  const auto took_us = time_of(report, report.critical);
  return fmt::format("{} took {:.1f} of {:.1f} ms ({} %){}; the device computed during {} % of the time.",
                     report.critical, milliseconds(took_us), milliseconds(report.wall_us),
                     percent(took_us, report.wall_us), bound_of(report), percent(report.hidden_ppm));
}

std::vector<std::string> timeline_of(const protocol::load_report& report) {
  std::vector<std::string> lines;
  lines.push_back(fmt::format("load {}: {} on {}, {}, {}: {:.1f} of {:.1f} MiB in {:.1f} ms", report.id.value,
                              report.model, report.device, to_string(report.reason), to_string(report.outcome),
                              mib(report.bytes_moved), mib(report.bytes_total), milliseconds(report.wall_us)));
  if (!report.ok()) lines.push_back("  " + report.error);
  lines.emplace_back();
  add_stages(lines, report);
  add_sources(lines, report);
  lines.emplace_back();
  lines.push_back(verdict_on(report));
  return lines;
}

} // namespace fastptm::cli
