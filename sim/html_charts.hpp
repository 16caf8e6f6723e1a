// The charts of the replay's page, as SVG.
#pragma once

#include <string>
#include <vector>

#include "sim/html_report.hpp"

namespace fastptm::sim {

// Lanes over time with their batches and loads, and the legend of models.
std::string timeline_chart(const trace& t, const replay_result& r, uint32_t lanes);
// Requests that wait, over time, one line per run.
std::string waiting_chart(const trace& t, const std::vector<report_run>& runs);
// Cumulative distribution of the time to answer, one line per run.
std::string latency_chart(const trace& t, const std::vector<report_run>& runs);

// A plain chart of points over a logarithmic x axis: for tables that are looked at.
struct chart_line {
  std::string name;
  std::vector<std::pair<double, double>> points;
};
std::string line_chart(const std::vector<chart_line>& lines, const std::string& x_name, const std::string& y_name);

} // namespace fastptm::sim
