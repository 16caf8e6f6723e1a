// `fastptm explain`: why a model is served where it is, or not: the terms of the decision, device by device.
#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/output.hpp"
#include "cli/report_output.hpp"
#include "core/json_fields.hpp"

namespace fastptm::cli {

namespace {

std::string milliseconds(int64_t us) {
  return fmt::format("{:.1f}", static_cast<double>(us) / 1000);
}

std::string place_of(const protocol::explained_device& device) {
  if (device.resident) return "here";
  if (device.is_loading)
    return fmt::format("coming: {}, {} ms", to_string(device.loading.reason),
                       milliseconds(device.loading.remaining_us));
  return fmt::format("{:.1f} MiB from {}", static_cast<double>(device.missing_bytes) / (1 << 20), device.source);
}

std::string price_of(const protocol::explained_device& device) {
  return device.would_go.empty() ? "-" : milliseconds(device.price_us);
}

std::string victims_of(const protocol::explained_device& device) {
  return device.would_go.empty() ? std::string() : "; a load gives up " + joined(device.would_go);
}

std::string reason_of(const protocol::explained_device& device) {
  if (device.against == "none") return "-";
  if (device.against_for_us <= 0) return device.against;
  return fmt::format("{} for {} ms", device.against, milliseconds(device.against_for_us));
}

void print_table(const protocol::explanation& told) {
  print_line(fmt::format(
      "{} by {}: {} queued, {} late{}", told.model, told.strategy, told.queued, told.late,
      told.has_head ? fmt::format(", the first is due in {} ms", milliseconds(told.head_remaining_us)) : ""));
  print_line(fmt::format("tenant {}: share {}, served {} ms{}", told.tenant.name, told.tenant.share,
                         milliseconds(static_cast<int64_t>(told.tenant.service_us)),
                         told.tenant.ahead ? ", ahead of its share" : ""));
  print_line(fmt::format("\n{:<22} {:<24} {:>9} {:>9} {:>10} {:>9} {:>8} {:>14} {:>12} {}", "DEVICE", "WEIGHTS",
                         "LOAD ms", "PRICE ms", "ENGINE ms", "LANE ms", "RUN ms", "RUN BATCH ms", "VALUE req/s",
                         "AGAINST"));
  for (const auto& device : told.devices) {
    print_line(
        fmt::format("{:<22} {:<24} {:>9} {:>9} {:>10} {:>9} {:>8} {:>14} {:>12} {}{}", device.device, place_of(device),
                    milliseconds(device.load_us), price_of(device), milliseconds(device.engine_wait_us),
                    milliseconds(device.lane_wait_us), milliseconds(device.run_one_us),
                    fmt::format("{} ({})", milliseconds(device.run_batch_us), device.batch),
                    device.has_value ? fmt::format("{:.3f}", static_cast<double>(device.value_micro_rps) / 1e6) : "-",
                    reason_of(device), victims_of(device)));
  }
}

int run_explain(const cluster_options& options, const std::string& model) {
  auto client = connect_admin(options);
  if (!client) return not_connected(client.error());
  auto got = (*client)->explain(model);
  if (!got) return failed(got.error());
  if (options.json)
    print_line(core::json_of(*got));
  else
    print_table(*got);
  return 0;
}

} // namespace

void add_explain(CLI::App& app, invocation& chosen) {
  auto* command = app.add_subcommand("explain", "Why a model is served where it is, or not: the terms of the decision");
  auto options = std::make_shared<cluster_options>();
  auto model = std::make_shared<std::string>();
  command->add_option("MODEL", *model, "TENANT/NAME@VERSION; without version the newest")->required();
  add_cluster_options(*command, *options);
  command->footer("Example:\n  fastptm explain acme/minilm@1 --state /tmp/demo");
  command->callback([options, model, &chosen] { chosen = [options, model] { return run_explain(*options, *model); }; });
}

} // namespace fastptm::cli
