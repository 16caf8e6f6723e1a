// Scales, axes and marks.
#include "sim/html_charts.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include <fmt/format.h>

namespace fastptm::sim {

namespace {

// Neighbouring numbers get distant hues.
std::string colour_of(uint32_t model) {
  return fmt::format("hsl({:.0f} {}% {}%)", std::fmod(137.508 * model, 360.0), 60 + 15 * (model / 8 % 2),
                     48 + 10 * (model / 3 % 2));
}

std::string name_of(uint32_t model) {
  return model < 26 ? std::string(1, static_cast<char>('A' + model)) : std::to_string(model);
}

constexpr std::array<std::string_view, 8> line_colours{"#4c7ef3", "#f08c2e", "#17a673", "#d6409f",
                                                       "#8e5bd8", "#8a8f98", "#c2410c", "#0891b2"};

// 1, 2 or 5 times a power of ten, so that about `wanted` steps cover the range.
double round_step(double range, int wanted) {
  const double raw = std::max(range, 1e-9) / wanted, power = std::pow(10.0, std::floor(std::log10(raw)));
  const double lead = raw / power;
  return power * (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10);
}

struct frame {
  double left = 56, top = 20, width = 1040, height = 220;
  double right() const { return left + width; }
  double bottom() const { return top + height; }
};

std::string open_svg(double width, double height) {
  return fmt::format("<svg width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} {1:.0f}\">", width, height);
}

std::string y_axis(const frame& f, double most, std::string_view name) {
  std::string out;
  const double step = round_step(most, 4);
  for (int line = 0; line * step <= most * 1.001; ++line) {
    const double v = line * step;
    const double y = f.bottom() - f.height * v / most;
    out += fmt::format(
        "<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/><text class=\"dim\" x=\"{}\" "
        "y=\"{:.1f}\" text-anchor=\"end\">{:g}</text>",
        f.left, f.right(), y, y, f.left - 6, y + 4, v);
  }
  return out + fmt::format("<text class=\"dim\" x=\"{}\" y=\"{}\">{}</text>", f.left, f.top - 4, name);
}

std::string time_axis(const frame& f, double seconds, double labels_per_px) {
  std::string out;
  const double step = round_step(seconds, std::max(2, static_cast<int>(f.width * labels_per_px)));
  for (int line = 0; line * step <= seconds * 1.001; ++line) {
    const double s = line * step;
    const double x = f.left + f.width * s / seconds;
    out += fmt::format("<line class=\"grid\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\"/><text class=\"dim\" "
                       "x=\"{0:.1f}\" y=\"{3}\" text-anchor=\"middle\">{4:g} s</text>",
                       x, f.top, f.bottom(), f.bottom() + 18, s);
  }
  return out;
}

std::string legend(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string out = "<div class=\"legend\">";
  for (const auto& [colour, name] : entries)
    out += fmt::format("<span><i style=\"background:{}\"></i>{}</span>", colour, name);
  return out + "</div>";
}

std::string legend_of(const std::vector<report_run>& runs) {
  std::vector<std::pair<std::string, std::string>> entries;
  entries.reserve(runs.size());
  for (size_t i = 0; i < runs.size(); ++i) entries.emplace_back(line_colours[i % line_colours.size()], runs[i].policy);
  return legend(entries);
}

std::string path_of(const std::vector<std::pair<double, double>>& points, std::string_view colour, double width) {
  std::string d;
  for (const auto& [x, y] : points) d += fmt::format("{}{:.1f} {:.1f}", d.empty() ? "M" : "L", x, y);
  return fmt::format("<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\"/>", d, colour, width);
}

double last_end_ms(const replay_result& r) {
  return *std::max_element(r.end_ms.begin(), r.end_ms.end());
}

} // namespace

std::string timeline_chart(const trace& t, const replay_result& r, uint32_t lanes) {
  constexpr double lane_height = 46, px_per_s = 70;
  const double seconds = std::max(0.1, last_end_ms(r) / 1000);
  const frame f{.width = std::clamp(seconds * px_per_s, 1040.0, 24'000.0), .height = lanes * lane_height};
  const auto x_of = [&](double ms) { return f.left + f.width * ms / 1000 / seconds; };
  std::string out = "<div class=\"scroll\">" + open_svg(f.right() + 20, f.bottom() + 30);
  out += "<defs><pattern id=\"load\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" "
         "patternTransform=\"rotate(45)\"><rect "
         "width=2.5 height=\"5\" fill=\"#3b4452\"/></pattern></defs>";
  out += time_axis(f, seconds, 1.0 / 90);
  for (uint32_t z = 0; z < lanes; ++z)
    out += fmt::format("<text x=\"8\" y=\"{:.0f}\">lane {}</text>", f.top + z * lane_height + 30, z);
  std::map<uint32_t, bool> used;
  bool any_late = false;
  for (const schedule_row& row : r.log.rows) {
    if (row.what == schedule_row::kind::evict || row.start_us < 0) continue;
    const double start_ms = static_cast<double>(row.start_us) / 1000, end_ms = static_cast<double>(row.end_us) / 1000;
    const double x = x_of(start_ms), width = std::max(1.0, x_of(end_ms) - x - 0.5);
    used[row.model] = true;
    if (row.what == schedule_row::kind::load) {
      const uint32_t lane = std::min(row.pool, lanes - 1);
      for (const std::string& fill : {colour_of(row.model), std::string("url(#load)")})
        out +=
            fmt::format("<rect x=\"{:.1f}\" y=\"{:.0f}\" width=\"{:.1f}\" height=\"8\" fill=\"{}\"><title>loading the "
                        "weights of model {}: {:.0f} to {:.0f} ms</title></rect>",
                        x, f.top + lane * lane_height + 3, width, fill, name_of(row.model), start_ms, end_ms);
      continue;
    }
    uint32_t late = 0;
    for (uint32_t i = row.first; i < row.first + row.count; ++i)
      late += r.end_ms[r.log.requests[i]] > t.requests[r.log.requests[i]].deadline_ms + 1e-6 ? 1 : 0;
    const double y = f.top + row.lane * lane_height + 12;
    out += fmt::format(
        "<rect x=\"{:.1f}\" y=\"{:.0f}\" width=\"{:.1f}\" height=\"26\" rx=\"2\" fill=\"{}\"><title>model {}: "
        "{} request{}, {:.0f} to {:.0f} ms{}</title></rect>",
        x, y, width, colour_of(row.model), name_of(row.model), row.count, row.count == 1 ? "" : "s", start_ms, end_ms,
        late ? fmt::format(", {} late", late) : "");
    any_late = any_late || late > 0;
    if (late)
      out += fmt::format("<rect x=\"{:.1f}\" y=\"{:.0f}\" width=\"{:.1f}\" height=\"4\" fill=\"#d92d20\"/>", x, y + 27,
                         width);
    if (width > 16)
      out += fmt::format("<text x=\"{:.1f}\" y=\"{:.0f}\" class=\"on\">{}</text>", x + 4, y + 18, name_of(row.model));
  }
  std::vector<std::pair<std::string, std::string>> entries;
  for (const auto& [model, ignored] : used)
    if (entries.size() < 40) entries.emplace_back(colour_of(model), "model " + name_of(model));
  if (used.size() > entries.size())
    entries.emplace_back("transparent", fmt::format("and {} more models", used.size() - entries.size()));
  entries.emplace_back("repeating-linear-gradient(45deg,#9aa4b2 0 3px,#3b4452 3px 6px)", "loading weights");
  if (any_late) entries.emplace_back("#d92d20", "answered late");
  return out + "</svg></div>" + legend(entries);
}

std::string waiting_chart(const trace& t, const std::vector<report_run>& runs) {
  const frame f;
  double seconds = 0.1, most = 1;
  std::vector<std::vector<std::pair<double, double>>> steps;
  for (const report_run& run : runs) {
    std::vector<std::pair<double, int>> changes;
    for (size_t i = 0; i < t.requests.size(); ++i) {
      changes.emplace_back(t.requests[i].arrival_ms, 1);
      changes.emplace_back(run.result.start_ms[i], -1);
    }
    std::sort(changes.begin(), changes.end());
    auto& line = steps.emplace_back();
    double waiting = 0;
    for (const auto& [ms, by] : changes) {
      waiting += by;
      line.emplace_back(ms / 1000, waiting);
      most = std::max(most, waiting);
    }
    // Slow policies go on for long after the last arrival: the interesting part is before.
    seconds = std::max(seconds, std::min(last_end_ms(run.result), 3 * t.end_ms) / 1000);
  }
  std::string out = "<div class=\"scroll\">" + open_svg(f.right() + 20, f.bottom() + 30) +
                    time_axis(f, seconds, 1.0 / 90) + y_axis(f, most, "requests waiting");
  const double last_x = f.left + f.width * t.requests.back().arrival_ms / 1000 / seconds;
  out += fmt::format("<line class=\"mark\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\"/><text class=\"note\" "
                     "x=\"{3:.1f}\" y=\"{4}\" text-anchor={5}>the last request comes</text>",
                     last_x, f.top, f.bottom(), last_x < f.right() - 160 ? last_x + 5 : last_x - 5, f.top - 4,
                     last_x < f.right() - 160 ? "start" : "end");
  for (size_t i = runs.size(); i-- > 0;) {
    std::vector<std::pair<double, double>> points;
    for (const auto& [s, waiting] : steps[i]) {
      if (s > seconds) break;
      const double x = f.left + f.width * s / seconds, y = f.bottom() - f.height * waiting / most;
      if (points.empty() || x - points.back().first > 0.4 || std::abs(y - points.back().second) > 2)
        points.emplace_back(x, y);
    }
    out += path_of(points, line_colours[i % line_colours.size()], i == 0 ? 2.4 : 1.2);
  }
  return out + "</svg></div>" + legend_of(runs);
}

std::string latency_chart(const trace& t, const std::vector<report_run>& runs) {
  const frame f;
  double least_ms = 1e9, most_ms = 1;
  std::vector<std::vector<double>> took(runs.size());
  for (size_t i = 0; i < runs.size(); ++i) {
    for (size_t q = 0; q < t.requests.size(); ++q)
      took[i].push_back(std::max(0.01, runs[i].result.end_ms[q] - t.requests[q].arrival_ms));
    std::sort(took[i].begin(), took[i].end());
    least_ms = std::min(least_ms, took[i].front());
    most_ms = std::max(most_ms, took[i].back());
  }
  const double low = std::log10(least_ms) - 0.05, high = std::log10(most_ms) + 0.05;
  const auto x_of = [&](double ms) { return f.left + f.width * (std::log10(ms) - low) / (high - low); };
  std::string out = "<div class=\"scroll\">" + open_svg(f.right() + 20, f.bottom() + 30) +
                    y_axis(f, 100, "% of requests answered within");
  for (int power = static_cast<int>(std::floor(low)); power <= high; ++power)
    for (const double lead : {1.0, 3.0})
      if (const double ms = lead * std::pow(10.0, power); std::log10(ms) >= low && std::log10(ms) <= high)
        out +=
            fmt::format("<line class=\"grid\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\"/><text class=\"dim\" "
                        "x=\"{0:.1f}\" y=\"{3}\" text-anchor=\"middle\">{4}</text>",
                        x_of(ms), f.top, f.bottom(), f.bottom() + 18,
                        ms < 1000 ? fmt::format("{:g} ms", ms) : fmt::format("{:g} s", ms / 1000));
  if (const double deadline_ms = t.requests.front().deadline_ms - t.requests.front().arrival_ms;
      deadline_ms > least_ms && deadline_ms < most_ms)
    out += fmt::format("<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\" stroke=\"#d92d20\" "
                       "stroke-dasharray=\"5 4\"/><text class=\"note\" x=\"{3:.1f}\" y=\"{4}\">deadline</text>",
                       x_of(deadline_ms), f.top, f.bottom(), x_of(deadline_ms) + 5, f.top - 4);
  for (size_t i = runs.size(); i-- > 0;) {
    std::vector<std::pair<double, double>> points;
    const size_t stride = std::max<size_t>(1, took[i].size() / 500);
    for (size_t k = 0; k < took[i].size(); k += stride)
      points.emplace_back(x_of(took[i][k]),
                          f.bottom() - f.height * static_cast<double>(k + 1) / static_cast<double>(took[i].size()));
    points.emplace_back(x_of(took[i].back()), f.top);
    out += path_of(points, line_colours[i % line_colours.size()], i == 0 ? 2.4 : 1.2);
  }
  return out + "</svg></div>" + legend_of(runs);
}

std::string line_chart(const std::vector<chart_line>& lines, const std::string& x_name, const std::string& y_name) {
  const frame f{.width = 640, .height = 240};
  double least_x = 1e300, most_x = 0, most_y = 1e-9;
  for (const chart_line& l : lines)
    for (const auto& [x, y] : l.points)
      least_x = std::min(least_x, x), most_x = std::max(most_x, x), most_y = std::max(most_y, y);
  const auto x_of = [&](double x) {
    return f.left + 20 +
           (f.width - 40) * (std::log2(x) - std::log2(least_x)) /
               std::max(1e-9, std::log2(most_x) - std::log2(least_x));
  };
  std::string out = fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
                                "viewBox=\"0 0 {0:.0f} {1:.0f}\" style=\"background:#fff\"><style>text{{font:12px "
                                "sans-serif}}.grid{{stroke:#d7dce3}}.dim{{fill:#667085}}</style>",
                                f.right() + 130, f.bottom() + 44) +
                    y_axis(f, 1.1 * most_y, y_name);
  for (size_t i = 0; i < lines.size(); ++i) {
    std::vector<std::pair<double, double>> points;
    for (const auto& [x, y] : lines[i].points) {
      points.emplace_back(x_of(x), f.bottom() - f.height * y / (1.1 * most_y));
      out += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"/>", points.back().first,
                         points.back().second, line_colours[i % line_colours.size()]);
      if (i == 0)
        out += fmt::format("<text class=\"dim\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{:g}</text>",
                           points.back().first, f.bottom() + 18, x);
    }
    out += path_of(points, line_colours[i % line_colours.size()], 2);
    out += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\">{}</text>", points.back().first + 8, points.back().second + 4,
                       lines[i].name);
  }
  return out + fmt::format("<text class=\"dim\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text></svg>",
                           f.left + f.width / 2, f.bottom() + 38, x_name);
}

} // namespace fastptm::sim
