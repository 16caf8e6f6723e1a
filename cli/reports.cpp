// `fastptm status`, `models` and `loads`: what the cluster tells about itself.
#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/output.hpp"
#include "cli/report_output.hpp"
#include "core/json_fields.hpp"

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

int print(const std::vector<protocol::load_report>& reports, bool json) {
  if (!json) {
    print_table(reports);
    return 0;
  }
  for (const auto& report : reports) print_line(core::json_of(report));
  return 0;
}

// As a tenant its own; without one the operator's view of all.
int run_loads(const cluster_options& options, uint32_t last) {
  if (options.tenant.empty() && !is_elsewhere(options)) {
    auto client = connect_admin(options);
    if (!client) return not_connected(client.error());
    auto got = (*client)->loads(last);
    if (!got) return failed(got.error());
    return print(*got, options.json);
  }
  auto client = connect_tenant(options);
  if (!client) return not_connected(client.error());
  auto got = (*client)->loads(last);
  if (!got) return failed(got.error());
  return print(*got, options.json);
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
  auto options = std::make_shared<cluster_options>();
  auto last = std::make_shared<uint32_t>(20);
  add_tenant_options(*command, *options);
  command->add_option("--last", *last, "How many")->capture_default_str()->check(CLI::Range(1, 100000));
  command->footer("Example:\n  fastptm loads --last 5 --as acme --state /tmp/demo");
  command->callback([options, last, &chosen] { chosen = [options, last] { return run_loads(*options, *last); }; });
}

} // namespace fastptm::cli
