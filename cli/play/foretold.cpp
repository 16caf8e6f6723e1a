// Means of what ran, and a replay with them.
#include "cli/play/foretold.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <span>
#include <utility>

#include <fmt/format.h>

namespace fastptm::cli {

namespace {

constexpr const char* strategy = "dxv"; // The cluster's default; a tenant is not told another.
constexpr double least_exec_us = 1;     // The least that a replay takes.
constexpr double slack_scale_ms = 0;    // Relative to the time given: the cluster's default, too.

core::duration_us rounded(double us) {
  return static_cast<core::duration_us>(std::llround(us));
}

double ms(core::duration_us us) {
  return static_cast<double>(us) / 1000;
}

struct batch_time {
  double size = 0, run_us = 0;
};

std::vector<batch_time> batch_times(const std::vector<ran_request>& requests) {
  std::map<std::pair<std::string, uint64_t>, batch_time> by_batch;
  for (const auto& one : requests) {
    auto& batch = by_batch[{one.device, one.batch}];
    batch.size += 1;
    batch.run_us = static_cast<double>(one.run_us);
  }
  std::vector<batch_time> all;
  all.reserve(by_batch.size());
  for (const auto& [id, batch] : by_batch) all.push_back(batch);
  return all;
}

// run = base + each * size with neither below nothing: where the free line is, the best one that is not.
void fit_execution(const std::vector<batch_time>& batches, measured_constants& to) {
  if (batches.empty()) return;
  const auto n = static_cast<double>(batches.size());
  double size = 0, run = 0, size_size = 0, size_run = 0;
  for (const auto& one : batches) {
    size += one.size / n;
    run += one.run_us / n;
    size_size += one.size * one.size / n;
    size_run += one.size * one.run_us / n;
  }
  const double spread = size_size - size * size;
  double each = spread > 1e-9 ? (size_run - size * run) / spread : run / size;
  if (each * size > run) each = size_run / size_size;
  each = std::max(each, least_exec_us);
  to.exec_us = rounded(each);
  to.exec_base_us = std::max<core::duration_us>(0, rounded(run - each * size));
}

// What a lane is idle for between two batches although the second waited: word to the scheduler, and back.
core::duration_us mean_hand_over_us(const std::vector<ran_request>& requests, const sim::schedule& log,
                                    core::time_us start_us) {
  std::map<uint32_t, core::time_us> sent_us;
  for (const auto& one : requests) sent_us[one.request] = one.sent_us - start_us;
  std::map<uint32_t, const sim::schedule_row*> before; // By lane; rows are in order of time.
  int64_t sum_us = 0, count = 0;
  for (const auto& row : log.rows) {
    if (row.what != sim::schedule_row::kind::batch) continue;
    const auto* last = std::exchange(before[row.lane], &row);
    if (last == nullptr || last->model != row.model) continue;
    const auto who = std::span(log.requests).subspan(row.first, row.count);
    if (!std::all_of(who.begin(), who.end(), [&](uint32_t q) { return sent_us[q] < last->start_us; })) continue;
    sum_us += std::max<int64_t>(0, row.start_us - last->end_us);
    ++count;
  }
  return count == 0 ? 0 : sum_us / count;
}

core::duration_us mean_load_us(const sim::schedule& log) {
  std::array<int64_t, 2> sum_us{}, count{}; // Before the run, in it.
  for (const auto& row : log.rows) {
    if (row.what != sim::schedule_row::kind::load) continue;
    const size_t in_run = row.start_us >= 0 ? 1 : 0;
    sum_us[in_run] += row.end_us - row.start_us;
    ++count[in_run];
  }
  const size_t shown = count[1] > 0 ? 1 : 0;
  return count[shown] == 0 ? 0 : sum_us[shown] / count[shown];
}

uint32_t devices_of(const sim::schedule& log) {
  uint32_t most = 0;
  for (const auto& row : log.rows) most = std::max(most, row.pool);
  return most + 1;
}

// Every model was asked once more in the order of their numbers just before, so that order is the order of last use.
std::vector<std::vector<uint32_t>> sets_at_start(const sim::schedule& log, uint32_t devices) {
  std::vector<std::set<uint32_t>> sets(devices);
  for (const auto& row : log.rows) {
    if (row.start_us >= 0) break;
    if (row.what == sim::schedule_row::kind::load) sets[row.pool].insert(row.model);
    if (row.what == sim::schedule_row::kind::evict) sets[row.pool].erase(row.model);
  }
  std::vector<std::vector<uint32_t>> all;
  all.reserve(sets.size());
  for (const auto& one : sets) all.emplace_back(one.begin(), one.end());
  return all;
}

} // namespace

typical_run typical_of(const std::vector<ran_request>& requests, const ran_schedule& ran, core::time_us start_us,
                       uint32_t models) {
  typical_run typical{devices_of(ran.log), ran.constants, {}};
  typical.start = sets_at_start(ran.log, typical.lanes);
  auto& costs = typical.costs;
  fit_execution(batch_times(requests), costs);
  costs.exec_base_us += mean_hand_over_us(requests, ran.log, start_us);
  costs.switch_us = mean_load_us(ran.log);
  if (!ran.some_left) costs.resident = models;
  return typical;
}

core::result<sim::replay_metrics> foretell(const sim::trace& trace, const typical_run& typical) {
  const auto& c = typical.costs;
  sim::replay_costs costs;
  costs.exec_ms = ms(c.exec_us);
  costs.exec_base_ms = ms(c.exec_base_us);
  costs.max_batch = c.max_batch;
  costs.switch_ms = ms(c.switch_us);
  costs.resident = c.resident;
  costs.copy_engines = c.copy_engines;
  costs.layers = c.layers;
  costs.prefetch = true;
  costs.start = typical.start;
  costs.K_ms = slack_scale_ms;
  const auto said = sim::replay(trace, strategy, typical.lanes, costs);
  if (!said) return core::fail(said.error());
  return said->metrics;
}

std::string replay_options(const typical_run& typical, double rate, core::duration_us deadline_us) {
  return fmt::format("-p {} -m {} --rate {} --deadline-ms {} --K-ms {} --prefetch 1 {}", strategy, typical.lanes, rate,
                     ms(deadline_us), slack_scale_ms, check_options(typical.costs));
}

} // namespace fastptm::cli
