// The rules of a schedule and the bounds of any, straight from their definitions.
#include "tests/sim/schedule_checker.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>

namespace fastptm::sim {

namespace {

constexpr double slack_ms = 2e-3; // The world counts whole microseconds.
constexpr double for_ever_ms = 1e300;

double ms(int64_t us) {
  return static_cast<double>(us) / 1000;
}

double load_ms(const std::string& policy, const replay_costs& c) {
  return policy == "fcfs_full" ? c.full_switch_ms : c.switch_ms;
}

class checker {
public:
  checker(const trace& t, const std::string& policy, uint32_t lanes, const replay_costs& c, const replay_result& r)
      : t_(t), lanes_(lanes), c_(c), r_(r), load_ms_(load_ms(policy, c)) {}

  std::vector<std::string> check() {
    pools();
    lanes();
    requests();
    metrics();
    return std::move(problems_);
  }

private:
  struct life {
    double ready_ms = 0, gone_ms = for_ever_ms;
  };

  void problem(std::string what) { problems_.push_back(std::move(what)); }

  void pools() {
    std::map<uint32_t, std::vector<const schedule_row*>> by_pool;
    for (const schedule_row& row : r_.log.rows)
      if (row.what != schedule_row::kind::batch) by_pool[row.pool].push_back(&row);
    for (auto& [pool, rows] : by_pool) {
      std::stable_sort(rows.begin(), rows.end(), [](const schedule_row* a, const schedule_row* b) {
        const auto key = [](const schedule_row* x) {
          return std::pair(x->start_us, x->what == schedule_row::kind::load);
        };
        return key(a) < key(b);
      });
      one_pool(pool, rows);
    }
  }

  void one_pool(uint32_t pool, const std::vector<const schedule_row*>& rows) {
    std::map<uint32_t, size_t> there; // Model to its present life.
    std::vector<double> engines;      // When each load under way ends.
    for (const schedule_row* row : rows) {
      auto& lives = lives_[{pool, row->model}];
      const double at_ms = ms(row->start_us);
      if (row->what == schedule_row::kind::evict) {
        if (there.erase(row->model) == 0) {
          problem(fmt::format("pool {}: model {} is evicted and is not there", pool, row->model));
        } else {
          lives.back().gone_ms = at_ms;
        }
        continue;
      }
      if (there.contains(row->model)) problem(fmt::format("pool {}: model {} is loaded twice", pool, row->model));
      lives.push_back({ms(row->end_us)});
      there[row->model] = lives.size();
      if (there.size() > c_.resident)
        problem(fmt::format("pool {} holds {} sets at {:.1f} ms", pool, there.size(), at_ms));
      if (row->start_us < 0) continue; // There from the beginning.
      if (ms(row->end_us) - at_ms < load_ms_ - slack_ms)
        problem(fmt::format("a load of {:.1f} ms is too short", at_ms));
      std::erase_if(engines, [&](double ends_ms) { return ends_ms <= at_ms + slack_ms; });
      engines.push_back(ms(row->end_us));
      if (engines.size() > c_.copy_engines)
        problem(fmt::format("pool {}: {} loads at once at {:.1f} ms", pool, engines.size(), at_ms));
    }
  }

  void lanes() {
    std::map<uint32_t, std::vector<const schedule_row*>> by_lane;
    for (const schedule_row& row : r_.log.rows)
      if (row.what == schedule_row::kind::batch) by_lane[row.lane].push_back(&row);
    for (auto& [lane, rows] : by_lane) {
      if (lane >= lanes_) problem(fmt::format("there is no lane {}", lane));
      std::stable_sort(rows.begin(), rows.end(),
                       [](const schedule_row* a, const schedule_row* b) { return a->start_us < b->start_us; });
      double free_ms = -1;
      const schedule_row* before = nullptr;
      for (const schedule_row* row : rows) {
        if (ms(row->start_us) < free_ms - slack_ms)
          problem(fmt::format("lane {} does two things at {:.1f} ms", lane, ms(row->start_us)));
        free_ms = ms(row->end_us);
        one_batch(*row);
        if (before != nullptr && before->model != row->model) ++switches_;
        before = row;
      }
    }
  }

  void one_batch(const schedule_row& row) {
    const double start_ms = ms(row.start_us), end_ms = ms(row.end_us);
    const double need_ms = c_.exec_base_ms + row.count * c_.exec_ms;
    if (row.count < 1 || row.count > c_.max_batch) problem(fmt::format("a batch of {}", row.count));
    if (end_ms - start_ms < need_ms - slack_ms) problem(fmt::format("a batch at {:.1f} ms is too short", start_ms));
    bool on_a_set = false;
    for (const life& l : lives_[{row.pool, row.model}]) {
      const bool begins = c_.layers > 1 ? l.ready_ms - load_ms_ * (1 - 1.0 / c_.layers) <= start_ms + slack_ms
                                        : l.ready_ms <= start_ms + slack_ms;
      const bool ends = c_.layers <= 1 || end_ms >= l.ready_ms + need_ms / c_.layers - slack_ms;
      on_a_set = on_a_set || (begins && ends && l.gone_ms >= end_ms - slack_ms);
    }
    if (!on_a_set)
      problem(
          fmt::format("model {} is not on pool {} from {:.1f} to {:.1f} ms", row.model, row.pool, start_ms, end_ms));
    for (uint32_t i = row.first; i < row.first + row.count; ++i) {
      const uint32_t q = r_.log.requests[i];
      if (t_.requests[q].model != row.model) problem(fmt::format("request {} is in a batch of another model", q));
      if (t_.requests[q].arrival_ms > start_ms + slack_ms) problem(fmt::format("request {} runs before it came", q));
      if (!end_of_.emplace(q, end_ms).second) problem(fmt::format("request {} runs twice", q));
    }
  }

  void requests() {
    if (end_of_.size() != t_.requests.size())
      problem(fmt::format("{} of {} requests never run", t_.requests.size() - end_of_.size(), t_.requests.size()));
  }

  void metrics() {
    if (!problems_.empty()) return;
    std::vector<double> took_ms;
    double last_ms = t_.end_ms, sum_ms = 0;
    uint64_t late = 0, loads = 0;
    for (const auto& [q, end_ms] : end_of_) {
      took_ms.push_back(end_ms - t_.requests[q].arrival_ms);
      sum_ms += took_ms.back();
      late += end_ms > t_.requests[q].deadline_ms + 1e-6 ? 1 : 0;
      last_ms = std::max(last_ms, end_ms);
    }
    for (const schedule_row& row : r_.log.rows)
      loads += row.what == schedule_row::kind::load && row.start_us >= 0 ? 1 : 0;
    std::sort(took_ms.begin(), took_ms.end());
    const replay_metrics& m = r_.metrics;
    const auto n = static_cast<double>(took_ms.size());
    const auto differs = [&](const char* name, double said, double found, double by) {
      if (std::abs(said - found) > by) problem(fmt::format("{} is said to be {}, and is {}", name, said, found));
    };
    differs("n", static_cast<double>(m.n), n, 0);
    differs("overtime", static_cast<double>(m.overtime), static_cast<double>(late), 0);
    differs("loads", static_cast<double>(m.loads), static_cast<double>(loads), 0);
    differs("switches", static_cast<double>(m.switches), static_cast<double>(switches_), 0);
    differs("total_ms", m.total_ms, last_ms, 0.06);
    differs("mean_ms", m.mean_ms, sum_ms / n, 0.006);
    differs("p50_ms", m.p50_ms, took_ms[took_ms.size() / 2], 0.006);
    differs("p99_ms", m.p99_ms, took_ms[std::min(took_ms.size() - 1, static_cast<size_t>(0.99 * n))], 0.006);
    differs("max_ms", m.max_ms, took_ms.back(), 0.006);
    differs("goodput_rps", m.goodput_rps, 1000 * (n - static_cast<double>(late)) / last_ms, 0.001);
  }

  const trace& t_;
  uint32_t lanes_;
  const replay_costs& c_;
  const replay_result& r_;
  double load_ms_;
  std::vector<std::string> problems_;
  std::map<std::pair<uint32_t, uint32_t>, std::vector<life>> lives_; // By pool and model.
  std::map<uint32_t, double> end_of_;                                // By request.
  uint64_t switches_ = 0;
};

// How many requests of an interval can be on time at most: a lane has one set at its beginning, and every other model
// that it serves costs it a load. `counts`: requests by model, that come and are due within; the largest first.
uint64_t most_within(const std::vector<uint64_t>& counts, double interval_ms, uint32_t lanes, double exec_ms,
                     double load_ms) {
  uint64_t most = 0, asked = 0;
  for (size_t models = 1; models <= counts.size(); ++models) {
    asked += counts[models - 1];
    const double loads = models > lanes ? static_cast<double>(models - lanes) : 0;
    const double time_ms = interval_ms * lanes - loads * load_ms;
    if (time_ms < 0) break;
    most = std::max(most, std::min(asked, static_cast<uint64_t>(std::floor(time_ms / exec_ms + 1e-3))));
  }
  return most;
}

uint64_t least_late(const trace& t, uint32_t lanes, double exec_ms, double load_ms) {
  uint64_t least = 0;
  for (size_t first = 0; first < t.requests.size(); ++first) {
    const double from_ms = t.requests[first].arrival_ms;
    std::vector<const trace_request*> later;
    for (size_t q = first; q < t.requests.size(); ++q) later.push_back(&t.requests[q]);
    std::sort(later.begin(), later.end(),
              [](const trace_request* a, const trace_request* b) { return a->deadline_ms < b->deadline_ms; });
    std::map<uint32_t, uint64_t> by_model;
    uint64_t n = 0;
    for (const trace_request* q : later) {
      ++by_model[q->model];
      ++n;
      std::vector<uint64_t> counts;
      for (const auto& [model, count] : by_model) counts.push_back(count);
      std::sort(counts.rbegin(), counts.rend());
      least = std::max(least, n - most_within(counts, q->deadline_ms - from_ms, lanes, exec_ms, load_ms));
    }
  }
  return least;
}

} // namespace

std::vector<std::string> problems_of(const trace& t, const std::string& policy, uint32_t lanes, const replay_costs& c,
                                     const replay_result& r) {
  return checker(t, policy, lanes, c, r).check();
}

lower_bounds bounds_of(const trace& t, const std::string& policy, uint32_t lanes, const replay_costs& c) {
  lower_bounds b;
  std::set<uint32_t> models;
  for (const trace_request& q : t.requests) models.insert(q.model);
  const bool warm = c.preload || policy == "omls"; // Model i on lane i, but lane 0.
  b.loads = models.size();
  for (uint32_t i = 1; warm && i < lanes; ++i) b.loads -= models.contains(i) && b.loads > 0 ? 1 : 0;
  b.mean_ms = c.exec_base_ms + c.exec_ms;
  // What comes from a moment on cannot be done earlier than at full speed from then.
  const double each_ms = c.exec_ms + c.exec_base_ms / c.max_batch;
  b.total_ms = t.end_ms;
  for (size_t i = 0; i < t.requests.size(); ++i)
    b.total_ms =
        std::max(b.total_ms, t.requests[i].arrival_ms + static_cast<double>(t.requests.size() - i) * each_ms / lanes);
  if (c.resident == 1 && c.max_batch == 1 && c.layers == 1 && !c.shared_pool)
    b.late = least_late(t, lanes, c.exec_base_ms + c.exec_ms, load_ms(policy, c));
  return b;
}

} // namespace fastptm::sim
