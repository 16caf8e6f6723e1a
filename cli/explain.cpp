// `fastptm explain`: why a model is served where it is, or not: the terms of the decision, device by device.
#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/output.hpp"
#include "cli/report_output.hpp"
#include "core/json_writer.hpp"

namespace fastptm::cli {

namespace {

using explanation = schema::Explanation::Reader;
using device_terms = schema::Explanation::Device::Reader;

std::string milliseconds(int64_t us) {
  return fmt::format("{:.1f}", static_cast<double>(us) / 1000);
}
std::string milliseconds(uint64_t us) {
  return milliseconds(static_cast<int64_t>(us));
}

// -- JSON: terms that do not apply are left out -----------------------------------------------------------------------

std::string to_json(device_terms device) {
  core::json_writer out;
  out.text("device", text_of(device.getName())).flag("resident", device.getResident());
  if (device.getLoading()) {
    out.raw("loading", core::json_writer()
                           .text("reason", text_of(device.getReason()))
                           .text("source", text_of(device.getTier()))
                           .number("remaining_us", device.getLoadingLeftUs())
                           .str());
  }
  if (!device.getResident() && !device.getLoading()) {
    out.number("missing_bytes", device.getMissingBytes())
        .text("source", text_of(device.getTier()))
        .number("load_us", device.getLoadUs())
        .number("engine_wait_us", device.getEngineWaitUs())
        .raw("would_go", texts(device.getWouldGo()))
        .number("price_us", device.getPriceUs());
  }
  out.number("lane_wait_us", device.getLaneWaitUs())
      .number("run_one_us", device.getRunOneUs())
      .number("batch", uint64_t{device.getBatch()})
      .number("run_batch_us", device.getRunBatchUs());
  if (device.getHasValue()) out.number("value_micro_rps", device.getValueMicroRps());
  out.text("against", text_of(device.getAgainst()));
  if (device.getAgainstForUs() > 0) out.number("against_for_us", device.getAgainstForUs());
  return out.str();
}

std::string to_json(explanation told) {
  core::json_list devices;
  for (const auto device : told.getDevices()) devices.add(to_json(device));
  core::json_writer out;
  out.text("model", text_of(told.getModel()))
      .text("strategy", text_of(told.getStrategy()))
      .number("queued", uint64_t{told.getQueued()})
      .number("late", uint64_t{told.getLate()});
  if (told.getHasHead()) out.number("head_remaining_us", told.getHeadLeftUs());
  return out
      .raw("tenant", core::json_writer()
                         .text("name", text_of(told.getTenant()))
                         .number("share", uint64_t{told.getTenantShare()})
                         .number("service_us", told.getTenantServiceUs())
                         .flag("ahead", told.getTenantAhead())
                         .str())
      .raw("devices", devices.str())
      .str();
}

// -- for people -------------------------------------------------------------------------------------------------------

std::string place_of(device_terms device) {
  if (device.getResident()) return "here";
  if (device.getLoading())
    return fmt::format("coming: {}, {} ms", text_of(device.getReason()), milliseconds(device.getLoadingLeftUs()));
  return fmt::format("{:.1f} MiB from {}", static_cast<double>(device.getMissingBytes()) / (1 << 20),
                     text_of(device.getTier()));
}

std::string price_of(device_terms device) {
  return device.getWouldGo().size() == 0 ? "-" : milliseconds(device.getPriceUs());
}

std::string victims_of(device_terms device) {
  return device.getWouldGo().size() == 0 ? std::string() : "; a load gives up " + joined(device.getWouldGo());
}

std::string reason_of(device_terms device) {
  auto reason = text_of(device.getAgainst());
  if (reason == "none") return "-";
  if (device.getAgainstForUs() > 0) reason += fmt::format(" for {} ms", milliseconds(device.getAgainstForUs()));
  return reason;
}

void print_table(explanation told) {
  print_line(fmt::format("{} by {}: {} queued, {} late{}", text_of(told.getModel()), text_of(told.getStrategy()),
                         told.getQueued(), told.getLate(),
                         told.getHasHead()
                             ? fmt::format(", the first is due in {} ms", milliseconds(told.getHeadLeftUs()))
                             : std::string()));
  print_line(fmt::format("tenant {}: share {}, served {} ms{}", text_of(told.getTenant()), told.getTenantShare(),
                         milliseconds(told.getTenantServiceUs()), told.getTenantAhead() ? ", ahead of its share" : ""));
  print_line(fmt::format("\n{:<22} {:<24} {:>9} {:>9} {:>10} {:>9} {:>8} {:>14} {:>12} {}", "DEVICE", "WEIGHTS",
                         "LOAD ms", "PRICE ms", "ENGINE ms", "LANE ms", "RUN ms", "RUN BATCH ms", "VALUE req/s",
                         "AGAINST"));
  for (const auto device : told.getDevices()) {
    print_line(fmt::format(
        "{:<22} {:<24} {:>9} {:>9} {:>10} {:>9} {:>8} {:>14} {:>12} {}{}", text_of(device.getName()), place_of(device),
        milliseconds(device.getLoadUs()), price_of(device), milliseconds(device.getEngineWaitUs()),
        milliseconds(device.getLaneWaitUs()), milliseconds(device.getRunOneUs()),
        fmt::format("{} ({})", milliseconds(device.getRunBatchUs()), device.getBatch()),
        device.getHasValue() ? fmt::format("{:.3f}", static_cast<double>(device.getValueMicroRps()) / 1e6) : "-",
        reason_of(device), victims_of(device)));
  }
}

int run_explain(const cluster_options& options, const std::string& model) {
  auto client = connect_admin(options);
  if (!client) return not_connected(client.error());
  auto got = (*client)->explain(model);
  if (!got) return failed(got.error());
  if (options.json)
    print_line(to_json((*got)->getExplanation()));
  else
    print_table((*got)->getExplanation());
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
