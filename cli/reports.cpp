// `fastptm status`, `models` and `loads`: what the cluster tells about itself.
#include <algorithm>
#include <fstream>
#include <optional>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/load_timeline.hpp"
#include "cli/load_trace.hpp"
#include "cli/output.hpp"
#include "cli/report_output.hpp"
#include "core/json_fields.hpp"
#include "core/log.hpp"

namespace fastptm::cli {

namespace {

int run_status(const cluster_options& options) {
  auto client = connect_admin(options);
  if (!client) return not_connected(client.error());
  auto got = (*client)->status();
  if (!got) return failed(got.error());
  if (options.json) {
    print_line(core::json_of(*got));
  } else {
    print_table(*got);
  }
  return 0;
}

int run_models(const cluster_options& options) {
  auto client = connect_tenant(options);
  if (!client) return not_connected(client.error());
  auto got = (*client)->models();
  if (!got) return failed(got.error());
  if (!options.json) {
    print_table(*got);
    return 0;
  }
  for (const auto& model : *got) print_line(core::json_of(model));
  return 0;
}

struct loads_options : cluster_options {
  uint32_t last = 20;
  std::optional<uint64_t> number; // this one alone
  std::string trace_file;
};

int print(const std::vector<protocol::load_report>& reports, bool json) {
  if (!json) {
    print_table(reports);
    return 0;
  }
  for (const auto& report : reports) print_line(core::json_of(report));
  return 0;
}

int print_one(const loads_options& options, const std::vector<protocol::load_report>& reports) {
  const auto found = std::find_if(reports.rbegin(), reports.rend(),
                                  [&](const auto& each) { return each.id.value == *options.number; });
  if (found == reports.rend())
    return failed(
        {core::errc::not_found,
         fmt::format("no load has the number {}: `fastptm loads` lists those that are kept", *options.number)});
  if (options.json)
    print_line(core::json_of(*found));
  else
    for (const auto& line : timeline_of(*found)) print_line(core::printable(line, 480));
  return 0;
}

int write_trace(const loads_options& options, const std::vector<protocol::load_report>& reports) {
  std::ofstream out(options.trace_file, std::ios::trunc);
  if (!(out << trace_of(reports) << '\n').flush())
    return failed({core::errc::io, options.trace_file + ": cannot be written: give a path in a folder that is yours"});
  say(fmt::format("{} loads are in {}: open it in ui.perfetto.dev", reports.size(), options.trace_file));
  return 0;
}

template <class Connected> int ask_for_loads(const Connected& client, const loads_options& options) {
  constexpr uint32_t all = 100'000; // more than are kept
  if (!client) return not_connected(client.error());
  const auto got = (*client)->loads(options.number ? all : options.last);
  if (!got) return failed(got.error());
  if (options.number) return print_one(options, *got);
  if (!options.trace_file.empty()) return write_trace(options, *got);
  return print(*got, options.json);
}

// As a tenant its own; without one the operator's view of all.
int run_loads(const loads_options& options) {
  if (options.tenant.empty() && !is_elsewhere(options)) return ask_for_loads(connect_admin(options), options);
  return ask_for_loads(connect_tenant(options), options);
}

} // namespace

void add_status(CLI::App& app, invocation& chosen) {
  auto* command = app.add_subcommand("status", "Nodes, devices, models and tenants");
  auto options = std::make_shared<cluster_options>();
  add_cluster_options(*command, *options);
  command->footer("Example:\n  fastptm status --state /tmp/demo");
  command->callback([options, &chosen] { chosen = [options] { return run_status(*options); }; });
}

void add_models(CLI::App& app, invocation& chosen) {
  auto* command = app.add_subcommand("models", "What a tenant has published");
  auto options = std::make_shared<cluster_options>();
  add_tenant_options(*command, *options);
  command->footer("Example:\n  fastptm models --as acme --state /tmp/demo");
  command->callback([options, &chosen] { chosen = [options] { return run_models(*options); }; });
}

void add_loads(CLI::App& app, invocation& chosen) {
  auto* command =
      app.add_subcommand("loads", "The account of the last loads: sources, bytes, stages, limits")->alias("switches");
  auto options = std::make_shared<loads_options>();
  add_tenant_options(*command, *options);
  auto* number =
      command->add_option("ID", options->number, "One load as a timeline: what took the time, what bounded it");
  command->add_option("--last", options->last, "How many")->capture_default_str()->check(CLI::Range(1, 100000));
  command
      ->add_option("--trace", options->trace_file,
                   "Write them to a file in the Trace Event Format: open it in ui.perfetto.dev")
      ->excludes(number);
  command->footer("Examples:\n  fastptm loads --last 5 --as acme --state /tmp/demo\n"
                  "  fastptm loads 17 --state /tmp/demo\n"
                  "  fastptm loads --trace loads.json --last 200 --state /tmp/demo");
  command->callback([options, &chosen] { chosen = [options] { return run_loads(*options); }; });
}

} // namespace fastptm::cli
