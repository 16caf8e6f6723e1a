// Targets on the lanes of one GPU or a few: the paper's headlines, the pulse, the sustained rate.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <regex>

#include <fmt/format.h>

#include "core/random.hpp"
#include "sim/replay.hpp"
#include "sim/targets.hpp"

namespace fastptm::sim {

namespace {

// Sums over the traces of a table's line.
struct totals {
  double seconds = 0;
  uint64_t requests = 0, overtime = 0, loads = 0;
};

core::result<totals> sum_over(const std::vector<trace>& all, const std::string& policy, uint32_t lanes,
                              const replay_costs& c) {
  totals sum;
  for (const trace& t : all) {
    const auto r = replay(t, policy, lanes, c);
    if (!r) return core::fail(r.error());
    sum.seconds += r->metrics.total_ms / 1000;
    sum.requests += r->metrics.n;
    sum.overtime += r->metrics.overtime;
    sum.loads += r->metrics.loads;
  }
  return sum;
}

core::result<std::vector<trace>> traces_under(const std::filesystem::path& folder, double rate) {
  const std::regex published(R"(.*_M[0-9.]+\.json)");
  std::vector<std::filesystem::path> files;
  std::error_code bad;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, bad))
    if (entry.is_regular_file() && std::regex_match(entry.path().filename().string(), published))
      files.push_back(entry.path());
  if (bad) return core::fail(core::errc::not_found, folder.string() + ": " + bad.message());
  if (files.empty())
    return core::fail(core::errc::not_found, folder.string() + ": no published traces (*_M<number>.json) in it");
  std::sort(files.begin(), files.end());
  std::vector<trace> all;
  for (const auto& f : files) {
    auto t = read_trace(f, {.rate = rate});
    if (!t) return core::fail(t.error());
    all.push_back(std::move(*t));
  }
  return all;
}

double ratio(double a, double b) {
  return a / std::max(b, 1e-9);
}

target_row at_least(const std::string& what, double value, double limit) {
  return {what, value > 1e6 ? "all" : fmt::format("{:.1f} x", value), fmt::format(">= {:g} x", limit), value >= limit};
}

// Standard normal from two uniform numbers (Box and Muller 1958).
double normal(core::prng& random) {
  const double u = 1.0 - random.unit(), v = random.unit();
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

// The published interval law: normal with a deviation of a third of the mean; models uniform.
template <class Rate> trace make_trace(core::prng& random, uint32_t models, double seconds, Rate rate_at) {
  trace t;
  t.models = models;
  for (double s = 0; s < seconds;) {
    t.requests.push_back({s * 1000, static_cast<uint32_t>(random.below(models)), s * 1000 + 3000});
    const double mean_s = 1.0 / rate_at(s);
    s += std::abs(mean_s + normal(random) * mean_s / 3);
    t.end_ms = s * 1000;
  }
  return t;
}

} // namespace

core::result<target_table> paper_headlines(const std::filesystem::path& folder) {
  const auto all = traces_under(folder, 4.0);
  if (!all) return core::fail(all.error());
  replay_costs one{.exec_ms = 31, .switch_ms = 168};
  replay_costs two = one;
  two.resident = 2;
  replay_costs two_ahead = two;
  two_ahead.prefetch = true;
  two_ahead.layers = 12;
  replay_costs batched = two_ahead; // exec(b) = 0.7 e + 0.3 e b: one request costs the same.
  batched.max_batch = 8;
  batched.exec_base_ms = 0.7 * one.exec_ms;
  batched.exec_ms = 0.3 * one.exec_ms;
  struct line {
    const char* name;
    const char* policy;
    const replay_costs& costs;
    totals sum;
  };
  std::vector<line> lines{{"full reload, FCFS", "fcfs_full", one, {}},
                          {"weight switch, FCFS", "fcfs", one, {}},
                          {"weight switch, OMLS", "omls", one, {}},
                          {"weight switch, DXV", "dxv", one, {}},
                          {"2 sets, FCFS", "fcfs", two, {}},
                          {"2 sets, prefetch, pipelined, DXV", "dxv", two_ahead, {}},
                          {"the same, batches of 8, DXV", "dxv", batched, {}}};
  target_table t{
      fmt::format("the paper's headlines at equal memory: {} traces at 4x rate, 2 lanes, exec 31 ms, switch 168 ms",
                  all->size()),
      {},
      {}};
  t.details.push_back({"", "seconds", "requests/s", "late", "loads"});
  for (line& l : lines) {
    const auto sum = sum_over(*all, l.policy, 2, l.costs);
    if (!sum) return core::fail(sum.error());
    l.sum = *sum;
    t.details.push_back({l.name, fmt::format("{:.1f}", sum->seconds),
                         fmt::format("{:.1f}", static_cast<double>(sum->requests) / sum->seconds),
                         std::to_string(sum->overtime), std::to_string(sum->loads)});
  }
  const auto overtimes = [](const line& a, const line& b) {
    return ratio(static_cast<double>(a.sum.overtime), static_cast<double>(b.sum.overtime));
  };
  const auto loads = [](const line& a, const line& b) {
    return ratio(static_cast<double>(a.sum.loads), static_cast<double>(b.sum.loads));
  };
  t.rows = {at_least("fewer overtimes than FCFS, one set", overtimes(lines[1], lines[3]), 15.3),
            at_least("fewer loads than FCFS, one set", loads(lines[1], lines[3]), 4.7),
            at_least("throughput of full reload", ratio(lines[0].sum.seconds, lines[3].sum.seconds), 8.2),
            at_least("fewer overtimes than FCFS, two sets", overtimes(lines[4], lines[5]), 100),
            at_least("fewer loads than FCFS, two sets", loads(lines[4], lines[5]), 4),
            {"late with batches of 8", std::to_string(lines[6].sum.overtime), "0", lines[6].sum.overtime == 0}};
  return t;
}

core::result<target_table> pulse_recovery(uint64_t seed, const std::string& policy) {
  constexpr double from_s = 20, to_s = 25, end_s = 80, allowed_s = 1.0;
  struct load_case {
    uint32_t lanes, models;
    double rate, exec_ms, switch_ms;
  };
  target_table t{fmt::format("recovery of {} from 5 s at 4 times the rate, seed {}", policy, seed), {}, {}};
  for (const load_case& l :
       {load_case{1, 6, 8, 31, 150}, {1, 12, 6, 31, 150}, {2, 12, 16, 31, 168}, {3, 12, 30, 35, 176}}) {
    core::prng random(seed * 1000 + l.lanes * 100 + l.models);
    const trace tr =
        make_trace(random, l.models, end_s, [&](double s) { return l.rate * (s >= from_s && s < to_s ? 4 : 1); });
    const auto r = replay(tr, policy, l.lanes, {.exec_ms = l.exec_ms, .switch_ms = l.switch_ms});
    if (!r) return core::fail(r.error());
    double last_s = -end_s;
    for (size_t q = 0; q < tr.requests.size(); ++q)
      if (r->end_ms[q] > tr.requests[q].deadline_ms + 1e-6)
        last_s = std::max(last_s, tr.requests[q].arrival_ms / 1000 - to_s);
    t.rows.push_back(
        {fmt::format("{} lane{}, {} models, {:g} requests/s: {} of {} late", l.lanes, l.lanes == 1 ? "" : "s", l.models,
                     l.rate, r->metrics.overtime, r->metrics.n),
         r->metrics.overtime == 0 ? "none" : fmt::format("the last came {:+.2f} s after the pulse", last_s),
         fmt::format("<= {:+.2f} s", allowed_s), last_s <= allowed_s});
  }
  return t;
}

namespace {

// The highest rate with at most 1 % late, by bisection; 60 s of requests.
core::result<double> sustained(uint64_t seed, const std::string& policy, const replay_costs& c) {
  double low = 1, high = 400;
  for (int step = 0; step < 11; ++step) {
    const double rate = std::sqrt(low * high);
    core::prng random(seed);
    const trace t = make_trace(random, 12, 60, [&](double) { return rate; });
    const auto r = replay(t, policy, 1, c);
    if (!r) return core::fail(r.error());
    (r->metrics.overtime * 100 <= r->metrics.n ? low : high) = rate;
  }
  return low;
}

} // namespace

core::result<target_table> sustained_rates(uint64_t seed) {
  const replay_costs one{.exec_ms = 31, .switch_ms = 150};
  replay_costs ahead = one;
  ahead.resident = 2;
  ahead.prefetch = true;
  ahead.layers = 12;
  replay_costs batched = ahead;
  batched.max_batch = 8;
  batched.exec_base_ms = 0.7 * one.exec_ms;
  batched.exec_ms = 0.3 * one.exec_ms;
  target_table t{fmt::format("sustained rate with at most 1 % late: 12 models, one lane, seed {}", seed),
                 {{"", "requests/s"}},
                 {}};
  std::vector<double> rates;
  for (const auto& [name, policy, costs] : {std::tuple<const char*, const char*, replay_costs>{"OMLS", "omls", one},
                                            {"DXV", "dxv", one},
                                            {"DXV, 2 sets, prefetch, pipelined", "dxv", ahead},
                                            {"the same, batches of 8", "dxv", batched}}) {
    const auto rate = sustained(seed, policy, costs);
    if (!rate) return core::fail(rate.error());
    rates.push_back(*rate);
    t.details.push_back({name, fmt::format("{:.1f}", *rate)});
  }
  t.rows = {at_least("DXV over OMLS", ratio(rates[1], rates[0]), 2.2),
            at_least("with 2 sets, prefetch, pipelined", ratio(rates[2], rates[0]), 4.5),
            at_least("with batches of 8", ratio(rates[3], rates[0]), 11)};
  return t;
}

} // namespace fastptm::sim
