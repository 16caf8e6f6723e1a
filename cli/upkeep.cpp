// `fastptm cordon`, `uncordon`, `evict` and `drop-cache`: what operators do to a cluster that runs.
#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/output.hpp"
#include "core/json_writer.hpp"

namespace fastptm::cli {

namespace {

struct options {
  cluster_options cluster;
  std::string device;
  std::string model;
};

double mib(uint64_t bytes) {
  return static_cast<double>(bytes) / (1 << 20);
}

int run_cordon(const options& chosen, bool on) {
  auto client = connect_admin(chosen.cluster);
  if (!client) return not_connected(client.error());
  if (const auto done = (*client)->cordon(chosen.device, on); !done) return failed(done.error());
  if (chosen.cluster.json) {
    print_line(core::json_writer().text("device", chosen.device).flag("cordoned", on).str());
  } else {
    print_line(chosen.device +
               (on ? " gets no new work; what it holds stays a source for others" : " gets work again"));
  }
  return 0;
}

int run_evict(const options& chosen) {
  auto client = connect_admin(chosen.cluster);
  if (!client) return not_connected(client.error());
  const auto freed_bytes = (*client)->evict(chosen.device, chosen.model);
  if (!freed_bytes) return failed(freed_bytes.error());
  if (chosen.cluster.json) {
    print_line(core::json_writer()
                   .text("model", chosen.model)
                   .text("device", chosen.device)
                   .number("freed_bytes", *freed_bytes)
                   .str());
  } else {
    print_line(fmt::format("{} has left {}, {:.1f} MiB freed", chosen.model, chosen.device, mib(*freed_bytes)));
  }
  return 0;
}

int run_drop_cache(const options& chosen) {
  auto client = connect_admin(chosen.cluster);
  if (!client) return not_connected(client.error());
  const auto freed_bytes = (*client)->drop_cache();
  if (!freed_bytes) return failed(freed_bytes.error());
  if (chosen.cluster.json) {
    print_line(core::json_writer().number("freed_bytes", *freed_bytes).str());
  } else {
    print_line(fmt::format("the host cache gave up {:.1f} MiB", mib(*freed_bytes)));
  }
  return 0;
}

// One argument, also as an option, which is how scripts name it.
constexpr auto device_names = "DEVICE,--device";
constexpr auto device_help = "NODE/DEVICE, as `fastptm status` lists it";

} // namespace

void add_cordon(CLI::App& app, invocation& chosen) {
  auto* command = app.add_subcommand("cordon", "Give a device no new work: what it holds stays a source for others");
  auto given = std::make_shared<options>();
  command->add_option("DEVICE", given->device, device_help)->required();
  add_cluster_options(*command, given->cluster);
  command->footer(
      "Before the node is stopped, say. Batches and loads under way end; requests go to other devices, and\n"
      "wait where there is none. The head forgets it when it starts anew.\n\n"
      "Example:\n  fastptm cordon worker-0/host0 --state /tmp/demo");
  command->callback([given, &chosen] { chosen = [given] { return run_cordon(*given, true); }; });
}

void add_uncordon(CLI::App& app, invocation& chosen) {
  auto* command = app.add_subcommand("uncordon", "Give a cordoned device work again");
  auto given = std::make_shared<options>();
  command->add_option("DEVICE", given->device, device_help)->required();
  add_cluster_options(*command, given->cluster);
  command->footer("Example:\n  fastptm uncordon worker-0/host0 --state /tmp/demo");
  command->callback([given, &chosen] { chosen = [given] { return run_cordon(*given, false); }; });
}

void add_evict(CLI::App& app, invocation& chosen) {
  auto* command = app.add_subcommand("evict", "Take a model off a device; it stays published");
  auto given = std::make_shared<options>();
  command->add_option("MODEL", given->model, "TENANT/NAME@VERSION")->required();
  command->add_option(device_names, given->device, device_help)->required();
  add_cluster_options(*command, given->cluster);
  command->footer("Refused while requests use it there, or it is being loaded: try again. The next request for it may\n"
                  "bring it back to the same device: `fastptm cordon` first where it must not. Weights that another\n"
                  "model on the device shares stay, and are not counted as freed.\n\n"
                  "Example:\n  fastptm evict acme/minilm@1 worker-0/host0 --state /tmp/demo");
  command->callback([given, &chosen] { chosen = [given] { return run_evict(*given); }; });
}

void add_drop_cache(CLI::App& app, invocation& chosen) {
  auto* command = app.add_subcommand("drop-cache", "Empty the host cache: the next load reads the disk");
  auto given = std::make_shared<options>();
  add_cluster_options(*command, given->cluster);
  command->footer("To measure, or to look at a disk that is suspected. What a load is reading just now stays.\n\n"
                  "Example:\n  fastptm drop-cache --state /tmp/demo");
  command->callback([given, &chosen] { chosen = [given] { return run_drop_cache(*given); }; });
}

} // namespace fastptm::cli
