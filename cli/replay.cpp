// Options to structs, results to JSON lines.
#include "cli/replay.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "sim/cluster_replay.hpp"
#include "sim/html_report.hpp"
#include "sim/replay.hpp"
#include "sim/targets.hpp"
#include "sim/workload.hpp"

namespace fastptm::cli {

using namespace sim;

namespace {

[[noreturn]] void stop(const core::error& why) {
  std::fprintf(stderr, "%s\n", why.message.c_str());
  throw CLI::RuntimeError(1);
}

template <class T> T value_or_stop(core::result<T> r) {
  if (!r) stop(r.error());
  return std::move(*r);
}

// -- replay -----------------------------------------------------------------------------------------------------------

struct replay_arguments {
  std::string trace, policy = "dxv", export_file, html_file, paper_folder;
  bool json = false;
  uint32_t lanes = 1;
  trace_options reading;
  replay_costs costs;
};

// "1", "0", "true", "false", as the published tool takes them.
void add_flag(CLI::App& app, const std::string& name, bool& value, const std::string& help) {
  app.add_option(name, value, help)->type_name("0|1");
}

void add_costs(CLI::App& app, replay_costs& c) {
  app.add_option("--exec-ms", c.exec_ms, "execution of one request")->capture_default_str();
  app.add_option("--exec-base-ms", c.exec_base_ms, "fixed part of a batch")->capture_default_str();
  app.add_option("--max-batch", c.max_batch, "requests of a batch")->capture_default_str();
  app.add_option("--switch-ms", c.switch_ms, "a load of weights")->capture_default_str();
  app.add_option("--full-switch-ms", c.full_switch_ms, "fcfs_full: building the whole model")->capture_default_str();
  app.add_option("--resident-ms", c.resident_ms, "activating a resident set")->capture_default_str();
  app.add_option("--deadline-ms", c.deadline_ms, "of requests without one")->capture_default_str();
  app.add_option("--cold-ms", c.cold_ms, "first load of a lane, 0: as any")->capture_default_str();
  app.add_option("--resident", c.resident, "sets a pool holds")->capture_default_str();
  add_flag(app, "--shared-pool", c.shared_pool, "one pool for all lanes");
  app.add_option("--copy-engines", c.copy_engines, "loads at once per pool")->capture_default_str();
  app.add_option("--layers", c.layers, "parts of a load usable one after the other")->capture_default_str();
  add_flag(app, "--prefetch", c.prefetch, "load ahead (needs --resident 2)");
  add_flag(app, "--preload", c.preload, "lanes 1.. start with model i");
  app.add_option("--poll-ms", c.poll_ms, "fcfs, omls: sleep of the published loops")->capture_default_str();
  app.add_option("--urgent-ms", c.urgent_ms, "omls: waiting time after which a request is urgent")
      ->capture_default_str();
  app.add_option("--hold", c.hold, "dxv: rent-or-buy factor")->capture_default_str();
  app.add_option("--hold-guard-ms", c.hold_guard_ms, "dxv: slack below which nothing is held")->capture_default_str();
  app.add_option("--K-ms", c.K_ms, "dxv: slack scale, 0: a fifth of the time given")->capture_default_str();
  add_flag(app, "--doom", c.doom, "dxv: what cannot be on time yields");
}

void print(const target_table& t, bool json) {
  fmt::print("{}\n", json ? to_json(t) : to_text(t));
  if (!t.met()) throw CLI::RuntimeError(1);
}

// The chosen policy first, then the others that say something beside it.
void write_html(const replay_arguments& a, const trace& t, const replay_result& shown) {
  std::vector<report_run> runs{{a.policy, shown}};
  for (const char* other : {"dxv", "sjf", "edf", "omls", "fcfs"})
    if (a.policy != other) runs.push_back({other, value_or_stop(replay(t, other, a.lanes, a.costs))});
  const std::string name = std::filesystem::path(a.trace).filename().string();
  std::ofstream out(a.html_file, std::ios::trunc);
  if (!(out << html_report(name, t, a.lanes, a.costs, runs)).flush())
    stop({core::errc::io, a.html_file + ": cannot be written"});
}

void run_replay(replay_arguments& a) {
  if (!a.paper_folder.empty()) return print(value_or_stop(paper_headlines(a.paper_folder)), a.json);
  if (a.trace.empty()) throw CLI::RequiredError("trace");
  a.reading.deadline_ms = a.costs.deadline_ms;
  const trace t = value_or_stop(read_trace(a.trace, a.reading));
  const replay_result r = value_or_stop(replay(t, a.policy, a.lanes, a.costs));
  if (!a.export_file.empty())
    if (const auto written = export_schedule(r.log, a.export_file); !written) stop(written.error());
  if (!a.html_file.empty()) write_html(a, t, r);
  fmt::print("{},\"decisions\":{},\"decision_ns_p50\":{},\"decision_ns_p99\":{},\"wall_ns_per_request\":{:.0f}}}\n",
             to_json(r.metrics), r.decisions.decisions, r.decisions.p50_ns, r.decisions.p99_ns, r.wall_ns_per_request);
}

void add_replay(CLI::App& app) {
  auto a = std::make_shared<replay_arguments>();
  CLI::App& c = *app.add_subcommand("replay", "a trace against a policy, on lanes that take the given times");
  c.add_option("trace", a->trace, "published trace, timed list or gen-workload's file");
  c.add_option("-p,--policy", a->policy, "fcfs_full, fcfs, omls, omls_clean, edf, sjf, dxv, ...")
      ->capture_default_str();
  c.add_option("-m,--instances", a->lanes, "lanes")->capture_default_str();
  c.add_option("--rate", a->reading.rate, "times the rate of the trace")->capture_default_str();
  c.add_option("--oversleep-ms", a->reading.oversleep_ms, "added to every interval")->capture_default_str();
  c.add_option("--export", a->export_file, "write the schedule, one JSON row a line");
  c.add_option("--html", a->html_file, "write a page to look at, with other policies beside");
  c.add_option("--paper", a->paper_folder, "instead: the paper's headlines on the published traces of a folder");
  c.add_flag("--json", a->json, "with --paper: JSON instead of a table");
  add_costs(c, a->costs);
  c.callback([a] { run_replay(*a); });
}

// -- cluster-replay ---------------------------------------------------------------------------------------------------

void add_cluster_replay(CLI::App& app) {
  auto o = std::make_shared<cluster_options>();
  auto file = std::make_shared<std::string>();
  auto links = std::make_shared<std::vector<double>>(o->links_gb.begin(), o->links_gb.end());
  CLI::App& c = *app.add_subcommand("cluster-replay", "a workload of many models against a policy on simulated GPUs");
  c.add_option("workload", *file, "gen-workload's file")->required();
  c.add_option("-p,--policy", o->policy, "dxv, affinity, omls, least_loaded, round_robin")->capture_default_str();
  c.add_option("--gpus", o->gpus)->capture_default_str();
  c.add_option("--gpus-per-node", o->gpus_per_node)->capture_default_str();
  c.add_option("--pool-gb", o->pool_gb, "weights a GPU holds")->capture_default_str();
  c.add_option("--rate", o->rate, "times the rate of the workload")->capture_default_str();
  c.add_option("--max-batch", o->max_batch)->capture_default_str();
  c.add_option("--copy-engines", o->copy_engines, "per GPU")->capture_default_str();
  c.add_option("--links", *links, "GB/s from a GPU of the node, from its host, from another node")
      ->delimiter(',')
      ->expected(policy::expected_source_count)
      ->capture_default_str();
  c.add_option("--speeds", o->speeds, "of execution, by kind of GPU: GPU g is of kind g modulo their number")
      ->delimiter(',')
      ->capture_default_str();
  c.add_option("--execution-prior", o->execution_prior, "first estimates of executions, times what is true")
      ->capture_default_str();
  c.add_option("--links-prior", o->links_prior, "first estimates of the links' rates, times what is true")
      ->capture_default_str();
  add_flag(c, "--refuse-late", o->refuse_late, "drop what cannot be on time, else serve it last");
  c.callback([o, file, links] {
    std::copy(links->begin(), links->end(), o->links_gb.begin());
    const workload w = value_or_stop(read_workload(*file));
    fmt::print("{}\n", to_json(value_or_stop(replay_cluster(w, *o))));
  });
}

// -- targets ----------------------------------------------------------------------------------------------------------

struct target_arguments {
  uint64_t seed = 1, requests = 1'000'000;
  std::string policy = "dxv", plot;
  bool json = false;
};

void add_targets(CLI::App& app) {
  CLI::App& targets = *app.add_subcommand("policy-targets", "what scheduling is held to: figures beside limits");
  targets.require_subcommand(1);
  auto a = std::make_shared<target_arguments>();
  const auto add = [&](const char* name, const char* help, auto measure) {
    CLI::App& c = *targets.add_subcommand(name, help);
    c.add_option("--seed", a->seed)->capture_default_str();
    c.add_flag("--json", a->json);
    c.callback([a, measure] { print(value_or_stop(measure(*a)), a->json); });
    return &c;
  };
  add("pulse", "recovery from a short overload", [](const auto& x) { return pulse_recovery(x.seed, x.policy); })
      ->add_option("-p,--policy", a->policy)
      ->capture_default_str();
  add("sustained", "highest rate of one lane with 1 % late", [](const auto& x) { return sustained_rates(x.seed); });
  add("rank", "highest rate of a cluster with 99 % on time, beside other policies",
      [](const auto& x) { return cluster_ranks(x.seed, x.requests, standard_places()); })
      ->add_option("--requests", a->requests)
      ->capture_default_str();
  add("light", "loads and bytes at low rates, from a cold start with wrong estimates",
      [](const auto& x) { return light_load(x.seed, light_places()); });
  CLI::App& speed = *add("speed", "requests/s and decision times, 256 to 4096 GPUs",
                         [](const auto& x) { return decision_speed(x.seed, x.requests, x.plot); });
  speed.add_option("--requests", a->requests)->capture_default_str();
  speed.add_option("--plot", a->plot, "write an SVG of cost over GPUs");
}

// -- gen-workload -----------------------------------------------------------------------------------------------------

void add_generator(CLI::App& app) {
  auto o = std::make_shared<workload_options>();
  auto file = std::make_shared<std::string>();
  CLI::App& c = *app.add_subcommand("gen-workload", "make a synthetic workload for cluster-replay");
  c.add_option("out", *file, "file to write")->required();
  c.add_option("--models", o->models)->capture_default_str();
  c.add_option("--requests", o->requests)->capture_default_str();
  c.add_option("--rate", o->rate, "requests/s")->capture_default_str();
  c.add_option("--alpha", o->alpha, "of Zipf's law")->capture_default_str();
  c.add_option("--burst", o->burst)->capture_default_str();
  c.add_option("--t-on", o->on_s, "s")->capture_default_str();
  c.add_option("--t-off", o->off_s, "s")->capture_default_str();
  c.add_option("--timers", o->timers, "share of models that fire by the clock")->capture_default_str();
  c.add_option("--period", o->period_s, "s")->capture_default_str();
  c.add_option("--amp", o->amplitude)->capture_default_str();
  c.add_option("--day", o->day_s, "s")->capture_default_str();
  c.add_option("--timer-max", o->timer_max, "requests")->capture_default_str();
  c.add_option("--seed", o->seed)->capture_default_str();
  c.callback([o, file] {
    const workload w = value_or_stop(generate(*o));
    if (const auto written = write_workload(*file, w); !written) stop(written.error());
    fmt::print("{{\"requests\":{},\"span_us\":{},\"checksum\":\"{:016x}\"}}\n", w.requests.size(),
               w.requests.back().at_us, checksum(w));
  });
}

} // namespace

void add_replay_commands(CLI::App& app) {
  add_replay(app);
  add_cluster_replay(app);
  add_targets(app);
  add_generator(app);
}

} // namespace fastptm::cli
