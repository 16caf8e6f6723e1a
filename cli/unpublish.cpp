// `fastptm unpublish`: takes a version, or every version of a name, back.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/output.hpp"
#include "core/json_writer.hpp"

namespace fastptm::cli {

namespace {

struct options {
  cluster_options cluster;
  std::string model;
  bool all = false;
};

// "acme/minilm@1", or with --all "acme/minilm".
std::string name_of(const clients::withdrawal& done, bool all) {
  const auto& first = done.models.front();
  return all ? first.substr(0, first.rfind('@')) : first;
}

std::string to_json(const clients::withdrawal& done, bool all) {
  core::json_list models;
  for (const auto& name : done.models) models.add(core::json_text(name));
  return core::json_writer()
      .text("model", name_of(done, all))
      .number("freed_bytes", done.freed_bytes)
      .raw("models", models.str())
      .str();
}

int run(const options& chosen) {
  auto client = connect_tenant(chosen.cluster);
  if (!client) return not_connected(client.error());
  const auto done = (*client)->unpublish(chosen.model, chosen.all);
  if (!done) return failed(done.error());
  if (done->models.empty())
    return failed(
        {core::errc::internal, "the cluster names no model that it took back: `fastptm models` shows what is left"});
  if (chosen.cluster.json) {
    print_line(to_json(*done, chosen.all));
  } else {
    print_line(fmt::format("{} taken back, {:.1f} MiB freed", fmt::join(done->models, ", "),
                           static_cast<double>(done->freed_bytes) / (1 << 20)));
  }
  return 0;
}

} // namespace

void add_unpublish(CLI::App& app, invocation& chosen) {
  auto* command =
      app.add_subcommand("unpublish", "Take a published version back: its requests end, its space comes back");
  auto given = std::make_shared<options>();
  command->add_option("MODEL", given->model, "TENANT/NAME@VERSION; with --all TENANT/NAME")->required();
  command->add_flag("--all", given->all, "Every version of the name");
  add_tenant_options(*command, given->cluster);
  command->footer("Example:\n  fastptm unpublish acme/minilm@1 --as acme --state /tmp/demo");
  command->callback([given, &chosen] { chosen = [given] { return run(*given); }; });
}

} // namespace fastptm::cli
