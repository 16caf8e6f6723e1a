// Columns and units.
#include "cli/report_output.hpp"

#include <utility>

#include <fmt/format.h>

#include "cli/output.hpp"
#include "core/log.hpp"
#include "protocol/stage_times.hpp"

namespace fastptm::cli {

std::string joined(const std::vector<std::string>& texts) {
  std::string out;
  for (const auto& each : texts) out += (out.empty() ? "" : ", ") + each;
  return out.empty() ? "-" : out;
}

namespace {

double mib(uint64_t bytes) {
  return static_cast<double>(bytes) / (1 << 20);
}
double milliseconds(int64_t us) {
  return static_cast<double>(us) / 1000;
}

// -- models and status ------------------------------------------------------------------------------------------------

template <class Models> void print_models(const Models& models) {
  print_line(fmt::format("{:<40} {:<10} {:<22} {:>10} {:>7}", "MODEL", "TASK", "ARCHITECTURE", "MiB", "SHARDS"));
  for (const auto& model : models)
    print_line(fmt::format("{:<40} {:<10} {:<22} {:>10.1f} {:>7}", model.name, to_string(model.task),
                           model.architecture, mib(model.bytes), model.shards));
}

// One line a device: memory, what is there, what is coming, what runs.
std::string line_of(const protocol::device_status& device) {
  auto line = fmt::format("  {:<22} {:>7.0f}/{:<7.0f} {:<9}", device.name, mib(device.used_bytes),
                          mib(device.arena_bytes), device.cordoned ? "cordoned" : "");
  line += " has " + joined(device.resident);
  for (const auto& load : device.loads)
    line += fmt::format("; loads {} ({}, {:.1f} ms left)", load.model, to_string(load.reason),
                        milliseconds(load.remaining_us));
  for (const auto& lane : device.lanes)
    if (!lane.model.empty())
      line +=
          fmt::format("; runs {} of {} ({:.1f} ms left)", lane.requests, lane.model, milliseconds(lane.remaining_us));
  return line;
}

void print_queues(const std::vector<protocol::model_status>& models) {
  bool waits = false;
  for (const auto& model : models) {
    if (model.queued + model.late == 0) continue;
    if (!std::exchange(waits, true)) print_line(fmt::format("{:<40} {:>7} {:>7}", "WAITING FOR", "QUEUED", "LATE"));
    print_line(fmt::format("{:<40} {:>7} {:>7}", model.name, model.queued, model.late));
  }
  print_line(waits ? "" : "no request waits\n");
}

} // namespace

void print_table(const std::vector<protocol::model_entry>& models) {
  print_models(models);
}

void print_table(const protocol::cluster_status& status) {
  print_line(fmt::format("{:<16} {:<8} {:>8} {}", "NODE", "STATE", "PID", "ROLES"));
  for (const auto& node : status.nodes)
    print_line(fmt::format("{:<16} {:<8} {:>8} {}", node.name, to_string(node.state), node.pid, joined(node.roles)));
  print_line(fmt::format("\n  {:<22} {:>15}", "DEVICE", "MiB USED/OF"));
  for (const auto& node : status.nodes)
    for (const auto& device : node.devices) print_line(line_of(device));
  print_line("");
  print_queues(status.models);
  print_models(status.models);
  print_line("");
  print_line("tenants: " + joined(status.tenants));
}

// -- loads ------------------------------------------------------------------------------------------------------------

void print_table(const std::vector<protocol::load_report>& reports) {
  print_line(fmt::format("{:>5} {:<28} {:<18} {:<9} {:<7} {:>9} {:>9} {:<20} {:>8} {}", "ID", "MODEL", "DEVICE",
                         "REASON", "OUTCOME", "MiB MOVED", "ms", "MOSTLY ms", "% HIDDEN", "SOURCES"));
  for (const auto& report : reports) {
    std::string sources;
    for (const auto& source : report.sources) {
      sources +=
          fmt::format("{}{}{}{} {:.1f} MiB{}", sources.empty() ? "" : ", ", source.kind, source.path.empty() ? "" : "/",
                      source.path, mib(source.bytes), source.failed ? " FAILED" : "");
    }
    const auto mostly = fmt::format("{} {:.1f}", report.critical, milliseconds(time_of(report, report.critical)));
    print_line(fmt::format("{:>5} {:<28} {:<18} {:<9} {:<7} {:>9.1f} {:>9.1f} {:<20} {:>8} {}", report.id.value,
                           report.model, report.device, to_string(report.reason), to_string(report.outcome),
                           mib(report.bytes_moved), milliseconds(report.wall_us), mostly, report.hidden_ppm / 10'000,
                           sources));
    if (!report.ok()) print_line("      " + core::printable(report.error, 480));
  }
}

} // namespace fastptm::cli
