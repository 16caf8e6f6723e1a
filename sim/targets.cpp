// Tables of figures beside limits.
#include "sim/targets.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace fastptm::sim {

bool target_table::met() const {
  return std::all_of(rows.begin(), rows.end(), [](const target_row& r) { return r.met; });
}

namespace {

std::string aligned(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i)
      out += i == 0 ? fmt::format("{:<{}}", row[i], widths[i]) : fmt::format("  {:>{}}", row[i], widths[i]);
    out += '\n';
  }
  return out;
}

// Texts of these tables have no characters that JSON would escape.
std::string quoted(const std::string& text) {
  return "\"" + text + "\"";
}

} // namespace

std::string to_text(const target_table& t) {
  std::string out = t.title + "\n";
  if (!t.details.empty()) out += aligned(t.details) + "\n";
  std::vector<std::vector<std::string>> rows{{"", "measured", "limit", ""}};
  for (const target_row& r : t.rows) rows.push_back({r.what, r.measured, r.limit, r.met ? "ok" : "NOT MET"});
  return out + aligned(rows);
}

std::string to_json(const target_table& t) {
  std::vector<std::string> rows;
  rows.reserve(t.rows.size());
  for (const target_row& r : t.rows)
    rows.push_back(fmt::format("{{\"what\":{},\"measured\":{},\"limit\":{},\"met\":{}}}", quoted(r.what),
                               quoted(r.measured), quoted(r.limit), r.met));
  return fmt::format("{{\"title\":{},\"met\":{},\"rows\":[{}]}}", quoted(t.title), t.met(), fmt::join(rows, ","));
}

} // namespace fastptm::sim
