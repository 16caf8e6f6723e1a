// Field by field, under the names of the command line's contract.
#include "cli/report_output.hpp"

#include <utility>

#include <fmt/format.h>

#include "cli/output.hpp"
#include "core/json_writer.hpp"

namespace fastptm::cli {

std::string text_of(capnp::Text::Reader text) {
  return {text.begin(), text.size()};
}

std::string texts(capnp::List<capnp::Text>::Reader from) {
  core::json_list out;
  for (const auto each : from) out.add(core::json_text(text_of(each)));
  return out.str();
}

std::string joined(capnp::List<capnp::Text>::Reader from) {
  std::string out;
  for (const auto each : from) out += (out.empty() ? "" : ", ") + text_of(each);
  return out.empty() ? "-" : out;
}

namespace {

std::string_view name_of(schema::NodeState state) {
  switch (state) {
    case schema::NodeState::READY:
      return "ready";
    case schema::NodeState::SUSPECT:
      return "suspect";
    case schema::NodeState::LOST:
      return "lost";
  }
  return "lost";
}

double mib(uint64_t bytes) {
  return static_cast<double>(bytes) / (1 << 20);
}

} // namespace

namespace {

core::json_writer json_of(schema::ModelStatus::Reader model) {
  return core::json_writer()
      .text("name", text_of(model.getName()))
      .text("architecture", text_of(model.getArchitecture()))
      .number("bytes", model.getBytes())
      .number("shards", uint64_t{model.getShards()})
      .text("task", text_of(model.getTask()));
}

std::string to_json(schema::DeviceStatus::Reader device) {
  core::json_list loads, lanes;
  for (const auto load : device.getLoads()) {
    loads.add(core::json_writer()
                  .text("model", text_of(load.getModel()))
                  .text("reason", text_of(load.getReason()))
                  .number("remaining_us", load.getRemainingUs())
                  .str());
  }
  for (const auto lane : device.getLanes()) {
    lanes.add(core::json_writer()
                  .text("model", text_of(lane.getModel()))
                  .number("requests", uint64_t{lane.getRequests()})
                  .number("remaining_us", lane.getRemainingUs())
                  .str());
  }
  return core::json_writer()
      .text("name", text_of(device.getName()))
      .text("kind", text_of(device.getKind()))
      .number("arena_bytes", device.getArenaBytes())
      .number("used_bytes", device.getUsedBytes())
      .raw("resident", texts(device.getResident()))
      .flag("cordoned", device.getCordoned())
      .raw("loads", loads.str())
      .raw("lanes", lanes.str())
      .str();
}

} // namespace

std::string to_json(schema::ModelStatus::Reader model) {
  return json_of(model).str();
}

std::string to_json(schema::ClusterStatus::Reader status) {
  core::json_list nodes, models;
  for (const auto node : status.getNodes()) {
    core::json_list devices;
    for (const auto device : node.getDevices()) devices.add(to_json(device));
    nodes.add(core::json_writer()
                  .text("name", text_of(node.getName()))
                  .number("pid", int64_t{node.getPid()})
                  .number("incarnation", node.getIncarnation())
                  .raw("roles", texts(node.getRoles()))
                  .text("state", name_of(node.getState()))
                  .raw("devices", devices.str())
                  .str());
  }
  for (const auto model : status.getModels()) {
    models.add(
        json_of(model).number("queued", uint64_t{model.getQueued()}).number("late", uint64_t{model.getLate()}).str());
  }
  return core::json_writer()
      .raw("nodes", nodes.str())
      .raw("models", models.str())
      .raw("tenants", texts(status.getTenants()))
      .str();
}

std::string to_json(schema::LoadReport::Reader report) {
  core::json_list stages, sources;
  for (const auto stage : report.getStages()) {
    stages.add(core::json_writer()
                   .text("name", text_of(stage.getName()))
                   .number("start_us", stage.getStartUs())
                   .number("end_us", stage.getEndUs())
                   .str());
  }
  for (const auto source : report.getSources()) {
    sources.add(core::json_writer()
                    .text("kind", text_of(source.getKind()))
                    .text("node", text_of(source.getNode()))
                    .text("path", text_of(source.getPath()))
                    .number("bytes", source.getBytes())
                    .number("chunks", uint64_t{source.getChunks()})
                    .number("rate_bps", source.getRateBps())
                    .flag("failed", source.getFailed())
                    .str());
  }
  const auto limit = report.getLimit();
  return core::json_writer()
      .number("id", report.getId())
      .text("model", text_of(report.getModel()))
      .text("device", text_of(report.getDevice()))
      .text("reason", text_of(report.getReason()))
      .text("outcome", report.getOk() ? "ok" : "failed")
      .text("error", text_of(report.getError()))
      .number("bytes_total", report.getBytesTotal())
      .number("bytes_shared", report.getBytesShared())
      .number("bytes_moved", report.getBytesMoved())
      .number("wall_us", report.getWallUs())
      .number("verified_chunks", uint64_t{report.getVerifiedChunks()})
      .number("bad_chunks", uint64_t{report.getBadChunks()})
      .number("refetched_chunks", uint64_t{report.getRefetchedChunks()})
      .raw("stages", stages.str())
      .raw("sources", sources.str())
      .raw("limit", core::json_writer()
                        .text("link", text_of(limit.getLink()))
                        .number("rate_bps", limit.getRateBps())
                        .number("fraction_ppm", uint64_t{limit.getFractionPpm()})
                        .str())
      .str();
}

// -- tables -----------------------------------------------------------------------------------------------------------

void print_table(capnp::List<schema::ModelStatus>::Reader models) {
  print_line(fmt::format("{:<40} {:<10} {:<22} {:>10} {:>7}", "MODEL", "TASK", "ARCHITECTURE", "MiB", "SHARDS"));
  for (const auto model : models) {
    print_line(fmt::format("{:<40} {:<10} {:<22} {:>10.1f} {:>7}", text_of(model.getName()), text_of(model.getTask()),
                           text_of(model.getArchitecture()), mib(model.getBytes()), model.getShards()));
  }
}

namespace {

// One line a device: memory, what is there, what is coming, what runs.
std::string line_of(schema::DeviceStatus::Reader device) {
  auto line = fmt::format("  {:<22} {:>7.0f}/{:<7.0f} {:<9}", text_of(device.getName()), mib(device.getUsedBytes()),
                          mib(device.getArenaBytes()), device.getCordoned() ? "cordoned" : "");
  line += " has " + joined(device.getResident());
  for (const auto load : device.getLoads())
    line += fmt::format("; loads {} ({}, {:.1f} ms left)", text_of(load.getModel()), text_of(load.getReason()),
                        static_cast<double>(load.getRemainingUs()) / 1000);
  for (const auto lane : device.getLanes())
    if (lane.getModel().size() > 0)
      line += fmt::format("; runs {} of {} ({:.1f} ms left)", lane.getRequests(), text_of(lane.getModel()),
                          static_cast<double>(lane.getRemainingUs()) / 1000);
  return line;
}

void print_queues(capnp::List<schema::ModelStatus>::Reader models) {
  bool waits = false;
  for (const auto model : models) {
    if (model.getQueued() + model.getLate() == 0) continue;
    if (!std::exchange(waits, true)) print_line(fmt::format("{:<40} {:>7} {:>7}", "WAITING FOR", "QUEUED", "LATE"));
    print_line(fmt::format("{:<40} {:>7} {:>7}", text_of(model.getName()), model.getQueued(), model.getLate()));
  }
  print_line(waits ? "" : "no request waits\n");
}

} // namespace

void print_table(schema::ClusterStatus::Reader status) {
  print_line(fmt::format("{:<16} {:<8} {:>8} {}", "NODE", "STATE", "PID", "ROLES"));
  for (const auto node : status.getNodes()) {
    print_line(fmt::format("{:<16} {:<8} {:>8} {}", text_of(node.getName()), name_of(node.getState()), node.getPid(),
                           joined(node.getRoles())));
  }
  print_line(fmt::format("\n  {:<22} {:>15}", "DEVICE", "MiB USED/OF"));
  for (const auto node : status.getNodes())
    for (const auto device : node.getDevices()) print_line(line_of(device));
  print_line("");
  print_queues(status.getModels());
  print_table(status.getModels());
  print_line("");
  print_line("tenants: " + joined(status.getTenants()));
}

void print_table(capnp::List<schema::LoadReport>::Reader reports) {
  print_line(fmt::format("{:>5} {:<28} {:<18} {:<9} {:<7} {:>9} {:>9} {}", "ID", "MODEL", "DEVICE", "REASON", "OUTCOME",
                         "MiB MOVED", "ms", "SOURCES"));
  for (const auto report : reports) {
    std::string sources;
    for (const auto source : report.getSources()) {
      sources += fmt::format("{}{}{}{} {:.1f} MiB{}", sources.empty() ? "" : ", ", text_of(source.getKind()),
                             source.getPath().size() > 0 ? "/" : "", text_of(source.getPath()), mib(source.getBytes()),
                             source.getFailed() ? " FAILED" : "");
    }
    print_line(fmt::format("{:>5} {:<28} {:<18} {:<9} {:<7} {:>9.1f} {:>9.1f} {}", report.getId(),
                           text_of(report.getModel()), text_of(report.getDevice()), text_of(report.getReason()),
                           report.getOk() ? "ok" : "failed", mib(report.getBytesMoved()),
                           static_cast<double>(report.getWallUs()) / 1000, sources));
    if (!report.getOk()) print_line("      " + text_of(report.getError()));
  }
}

} // namespace fastptm::cli
