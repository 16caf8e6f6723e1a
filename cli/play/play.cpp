// `fastptm play`: sends the requests of a trace to the running cluster, open loop, and judges every answer.
//
// A refusal is an answer here, and counted: waiting for a better one would hide what the cluster could not take. Only
// what a broken connection has lost is sent again, and counted as repeated.
#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/duration_option.hpp"
#include "cli/inputs.hpp"
#include "cli/output.hpp"
#include "cli/play/foretold.hpp"
#include "cli/play/ran_schedule.hpp"
#include "cli/play/trace_player.hpp"
#include "core/json.hpp"
#include "core/json_writer.hpp"
#include "node/state_folder.hpp"
#include "sim/replay.hpp"
#include "sim/trace.hpp"

namespace fastptm::cli {

namespace {

constexpr core::duration_us reports_patience_us = 2'000'000, reports_pause_us = 20'000;
constexpr uint32_t most_reports = 100'000;

struct options {
  cluster_options cluster;
  std::string trace;
  std::string models;
  std::string deadline = "3s";
  std::string export_file;
  double rate = 1.0;
};

// A list of names, or an object from letters ("A" is model 0) or numbers to names.
core::result<std::vector<std::string>> read_models(const std::string& file, uint32_t count) {
  auto text = node::read_file(file);
  if (!text) return core::fail(text.error());
  auto parsed = core::parse_json(*text, file);
  if (!parsed) return core::fail(parsed.error());
  std::vector<std::string> out(count);
  for (uint32_t i = 0; i < count; ++i) {
    const core::json_value* name = nullptr;
    if (parsed->array() != nullptr) {
      if (i < parsed->array()->size()) name = &(*parsed->array())[i];
    } else {
      name = parsed->find(std::to_string(i));
      if (name == nullptr && i < 26) name = parsed->find(std::string(1, static_cast<char>('A' + i)));
    }
    if (name == nullptr || name->string() == nullptr) {
      return core::fail(core::errc::invalid,
                        fmt::format("{}: names no model for number {} of the trace ({}): add one", file, i,
                                    i < 26 ? std::string(1, static_cast<char>('A' + i)) : std::to_string(i)));
    }
    out[i] = *name->string();
  }
  return out;
}

// The same keys as a replay's, end to end: from sending to the answer in the client's hands.
sim::replay_metrics measure(const trace_player& played) {
  sim::replay_metrics out;
  std::vector<double> latencies_ms;
  uint64_t on_time = 0;
  double run_us = 0;
  std::set<std::string> workers;
  for (size_t i = 0; i < played.outcomes().size(); ++i) {
    const auto& each = played.outcomes()[i];
    const bool answered = each.done && each.got.answered();
    const auto latency_us = (answered ? each.answered_us : played.end_us()) - each.sent_us;
    latencies_ms.push_back(static_cast<double>(latency_us) / 1000);
    on_time += answered && latency_us <= played.deadline_us(i);
    const auto started_us = latency_us - static_cast<core::duration_us>(each.got.run_us);
    out.overtime_paper += !answered || started_us > played.deadline_us(i);
    run_us += static_cast<double>(each.got.run_us);
    if (answered) workers.insert(each.got.node);
  }
  out.n = played.outcomes().size();
  out.overtime = out.n - on_time;
  out.total_ms = static_cast<double>(played.end_us()) / 1000;
  for (const auto each : latencies_ms) out.mean_ms += each / static_cast<double>(out.n);
  std::sort(latencies_ms.begin(), latencies_ms.end());
  out.p50_ms = latencies_ms[latencies_ms.size() / 2];
  out.p99_ms = latencies_ms[std::min(latencies_ms.size() - 1, latencies_ms.size() * 99 / 100)];
  out.max_ms = latencies_ms.back();
  out.util = run_us / 1000 / (out.total_ms * static_cast<double>(std::max<size_t>(workers.size(), 1)));
  out.goodput_rps = 1000 * static_cast<double>(on_time) / out.total_ms;
  return out;
}

void count_loads(sim::replay_metrics& to, const std::vector<protocol::load_report>& reports, core::load_id after) {
  std::map<std::string, uint64_t> by_device;
  for (const auto& report : reports) {
    if (report.id <= after) continue;
    ++to.loads;
    ++by_device[report.device];
  }
  for (const auto& [device, count] : by_device) to.switches_per_instance.push_back(count);
  to.switches = to.loads;
}

// When nothing leaves the device any more.
core::time_us begins_us(const protocol::load_report& report) {
  core::time_us at_us = 0;
  for (const auto& stage : report.stages)
    if (stage.name == "decide" || stage.name == "queue" || stage.name == "evict") at_us = stage.end_us;
  return at_us;
}

// Loads of the trace's models.
std::vector<ran_load> loads_of(const std::vector<protocol::load_report>& reports,
                               const std::vector<std::string>& models) {
  std::vector<ran_load> out;
  for (const auto& report : reports) {
    const auto model = std::find(models.begin(), models.end(), report.model);
    if (!report.ok() || model == models.end()) continue;
    out.push_back({report.device, static_cast<uint32_t>(model - models.begin()), report.ordered_us + begins_us(report),
                   report.ordered_us + report.wall_us, report.left_us});
  }
  return out;
}

std::vector<ran_request> answered_of(const trace_player& played, const sim::trace& trace) {
  std::vector<ran_request> out;
  for (size_t i = 0; i < played.outcomes().size(); ++i) {
    const auto& each = played.outcomes()[i];
    if (!each.done || !each.got.answered()) continue;
    out.push_back({static_cast<uint32_t>(i), trace.requests[i].model, played.start_us() + each.sent_us,
                   played.start_us() + each.answered_us, each.got.device, each.got.batch, each.got.batch_end_us,
                   static_cast<core::duration_us>(each.got.run_us)});
  }
  return out;
}

// Accounts of loads come on another way than answers, and may be a little behind them.
core::result<ran_schedule> schedule_of(clients::tenant_client& client, const trace_player& played,
                                       const std::vector<ran_request>& answered) {
  const auto give_up_us = core::monotonic_now_us() + reports_patience_us;
  while (true) {
    const auto reports = client.loads(most_reports);
    if (!reports) return core::fail(reports.error());
    auto made = draw_up(answered, loads_of(*reports, played.models()), played.start_us());
    if (made || core::monotonic_now_us() >= give_up_us) return made;
    client.run_until(core::monotonic_now_us() + reports_pause_us);
  }
}

// What a replay says about the same trace, or why it cannot.
std::string replay_beside(const sim::trace& trace, double rate, core::duration_us deadline_us, core::time_us start_us,
                          const std::vector<ran_request>& answered, const core::result<ran_schedule>& ran) {
  const auto failed_with = [](const core::error& why) { return core::json_writer().text("error", why.message).str(); };
  if (!ran) return failed_with(ran.error());
  if (answered.empty()) return failed_with({core::errc::not_found, "no request was answered"});
  const auto typical = typical_of(answered, *ran, start_us, trace.models);
  const auto said = foretell(trace, typical);
  if (!said) return failed_with(said.error());
  return core::json_writer()
      .number("loads", said->loads)
      .number("ontime", said->n - said->overtime)
      .number("overtime", said->overtime)
      .real("p50_ms", said->p50_ms)
      .real("p99_ms", said->p99_ms)
      .text("costs", replay_options(typical, rate, deadline_us))
      .str();
}

core::load_id newest_load(clients::tenant_client& client) {
  const auto got = client.loads(1);
  return !got || got->empty() ? core::load_id{} : got->front().id;
}

int run(const options& chosen) {
  const auto deadline_us = parse_duration(chosen.deadline);
  if (!deadline_us) return failed(deadline_us.error());
  const auto trace = sim::read_trace(
      chosen.trace, {.rate = chosen.rate, .oversleep_ms = 0, .deadline_ms = static_cast<double>(*deadline_us) / 1000});
  if (!trace) return failed(trace.error());
  if (trace->requests.empty())
    return failed({core::errc::invalid, chosen.trace + ": has no requests: give a trace with at least one"});
  auto models = read_models(chosen.models, trace->models);
  if (!models) return failed(models.error());
  auto client = connect_tenant(chosen.cluster, refusals::told);
  if (!client) return not_connected(client.error());

  trace_player player(**client, *trace, std::move(*models));
  if (auto asked = player.ask_alone(); !asked) return failed(asked.error());
  const auto before = newest_load(**client);
  player.play();
  auto metrics = measure(player);
  if (auto got = (*client)->loads(most_reports)) count_loads(metrics, *got, before);
  uint64_t wrong = 0, unanswered = 0, repeated = 0;
  std::map<std::string, uint64_t> by_status;
  for (size_t i = 0; i < player.outcomes().size(); ++i) {
    wrong += player.is_wrong(i);
    unanswered += !player.outcomes()[i].done;
    repeated += player.outcomes()[i].got.tries > 1;
    if (player.outcomes()[i].done) ++by_status[player.outcomes()[i].got.status];
  }
  const auto answered = answered_of(player, *trace);
  const auto ran = schedule_of(**client, player, answered);
  std::string check;
  if (!chosen.export_file.empty()) {
    if (!ran) return failed(ran.error());
    if (auto written = sim::export_schedule(ran->log, chosen.export_file); !written) return failed(written.error());
    check = fmt::format(",\"cut_batches\":{},\"check\":\"--rate {} --deadline-ms {} {}\"", ran->cut_batches,
                        chosen.rate, static_cast<double>(*deadline_us) / 1000, check_options(ran->constants));
  }
  core::json_writer statuses;
  for (const auto& [status, count] : by_status) statuses.number(status, count);
  print_line(sim::to_json(metrics) +
             fmt::format(",\"wrong_answers\":{},\"unanswered\":{},\"repeated\":{},\"statuses\":{}{},\"replay\":{}}}",
                         wrong, unanswered, repeated, statuses.str(), check,
                         replay_beside(*trace, chosen.rate, *deadline_us, player.start_us(), answered, ran)));
  return wrong == 0 && unanswered == 0 ? 0 : 1;
}

} // namespace

void add_play(CLI::App& app, invocation& chosen) {
  auto* command = app.add_subcommand("play", "Send the requests of a trace to the running cluster")->alias("load");
  auto given = std::make_shared<options>();
  command
      ->add_option("TRACE", given->trace,
                   "A trace: JSON list of [model letter, seconds until the next], or of [ms, model(, deadline in ms)]")
      ->required();
  command
      ->add_option("--models", given->models,
                   "JSON: a list of model names, or an object from letters or numbers to names")
      ->required();
  command->add_option("--rate", given->rate, "Time runs this much faster")
      ->capture_default_str()
      ->check(CLI::Range(0.001, 1000.0));
  command->add_option("--deadline", given->deadline, "Of every request that has none in the trace")
      ->capture_default_str()
      ->check(is_duration());
  command->add_option("--export", given->export_file,
                      "The schedule that really ran, one JSON row a line; prints the options to check it with");
  add_tenant_options(*command, given->cluster);
  command->footer("Example:\n  fastptm play trace.json --models models.json --deadline 3s --as acme --state /tmp/demo");
  command->callback([given, &chosen] { chosen = [given] { return run(*given); }; });
}

} // namespace fastptm::cli
