// From a schedule to its numbers, by the definitions of the published tools; and the schedule as lines of JSON.
#include <algorithm>
#include <cmath>
#include <fstream>

#include <fmt/format.h>

#include "core/check.hpp"
#include "sim/replay.hpp"

namespace fastptm::sim {

namespace {
constexpr double late_by_ms = 1e-6; // A request that ends this close to its deadline is on time.

double rounded(double value, double digits) {
  return std::nearbyint(value * digits) / digits;
}
// Microseconds as ms that read back exactly.
double ms(int64_t us) {
  return static_cast<double>(us) / 1000.0;
}
} // namespace

replay_metrics measure(const trace& t, const schedule& log, uint32_t lanes, std::vector<double>& start_ms,
                       std::vector<double>& end_ms) {
  replay_metrics m;
  m.n = t.requests.size();
  start_ms.assign(m.n, -1);
  end_ms.assign(m.n, -1);
  m.switches_per_instance.assign(lanes, 0);
  std::vector<uint32_t> active(lanes, ~0u);
  double busy_ms = 0, last_ms = t.end_ms;
  for (const schedule_row& r : log.rows) {
    if (r.what == schedule_row::kind::load && r.start_us >= 0) ++m.loads;
    if (r.what != schedule_row::kind::batch) continue;
    if (active[r.lane] != ~0u && active[r.lane] != r.model) ++m.switches_per_instance[r.lane];
    active[r.lane] = r.model;
    busy_ms += ms(r.end_us - r.start_us);
    last_ms = std::max(last_ms, ms(r.end_us));
    for (uint32_t i = r.first; i < r.first + r.count; ++i) {
      const uint32_t q = log.requests[i];
      core::check(end_ms[q] < 0, "a request is in two batches");
      start_ms[q] = ms(r.start_us);
      end_ms[q] = ms(r.end_us);
    }
  }
  std::vector<double> took_ms;
  double sum_ms = 0;
  for (size_t q = 0; q < m.n; ++q) {
    const trace_request& r = t.requests[q];
    m.overtime += end_ms[q] > r.deadline_ms + late_by_ms ? 1 : 0;
    m.overtime_paper += start_ms[q] > r.deadline_ms + late_by_ms ? 1 : 0;
    took_ms.push_back(end_ms[q] - r.arrival_ms);
    sum_ms += took_ms.back();
  }
  std::sort(took_ms.begin(), took_ms.end());
  for (const uint64_t s : m.switches_per_instance) m.switches += s;
  const auto n = static_cast<double>(m.n);
  m.total_ms = rounded(last_ms, 10);
  m.mean_ms = rounded(sum_ms / n, 100);
  m.p50_ms = rounded(took_ms[m.n / 2], 100);
  m.p99_ms = rounded(took_ms[std::min<size_t>(m.n - 1, static_cast<size_t>(0.99 * n))], 100);
  m.max_ms = rounded(took_ms.back(), 100);
  m.util = rounded(busy_ms / (last_ms * lanes), 10'000);
  m.goodput_rps = rounded(1000 * static_cast<double>(m.n - m.overtime) / last_ms, 1000);
  return m;
}

std::string to_json(const replay_metrics& m) {
  return fmt::format(
      "{{\"n\":{},\"total_ms\":{},\"overtime\":{},\"ontime\":{},\"overtime_paper\":{},\"switches\":{},"
      "\"switches_per_instance\":[{}],\"loads\":{},\"mean_ms\":{},\"p50_ms\":{},\"p99_ms\":{},\"max_ms\":{},"
      "\"util\":{},\"goodput_rps\":{}",
      m.n, m.total_ms, m.overtime, m.n - m.overtime, m.overtime_paper, m.switches,
      fmt::join(m.switches_per_instance, ","), m.loads, m.mean_ms, m.p50_ms, m.p99_ms, m.max_ms, m.util, m.goodput_rps);
}

core::result<void> export_schedule(const schedule& log, const std::string& file) {
  std::string text;
  for (const schedule_row& r : log.rows) {
    switch (r.what) {
      case schedule_row::kind::load:
        text += fmt::format("[\"L\",{},{},{},{}]\n", r.pool, r.model, ms(r.start_us), ms(r.end_us));
        break;
      case schedule_row::kind::evict:
        text += fmt::format("[\"E\",{},{},{}]\n", r.pool, r.model, ms(r.start_us));
        break;
      case schedule_row::kind::batch:
        text += fmt::format("[\"B\",{},{},{},{},{},[{}]]\n", r.lane, r.pool, r.model, ms(r.start_us), ms(r.end_us),
                            fmt::join(log.requests.begin() + r.first, log.requests.begin() + r.first + r.count, ","));
        break;
    }
  }
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  if (!out.write(text.data(), static_cast<std::streamsize>(text.size())).flush())
    return core::fail(core::errc::io, file + ": cannot be written");
  return {};
}

} // namespace fastptm::sim
