// `fastptm token add`, `rotate` and `revoke`: who may come in as a tenant, while the cluster runs or not.
#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/duration_option.hpp"
#include "cli/output.hpp"
#include "core/json_writer.hpp"
#include "core/log.hpp"
#include "node/tenant_tokens.hpp"

namespace fastptm::cli {

namespace {

struct options {
  std::string state = node::state_folder::default_path().string();
  std::string tenant;
  std::string keep_old; // empty: not at all
  bool json = false;
};

using head = std::unique_ptr<clients::admin_client>;

// The head that has to be told; none where no cluster runs.
core::result<head> running_head(const options& chosen, const node::state_folder& folder) {
  cluster_options cluster;
  cluster.state = chosen.state;
  auto found = connect_admin(cluster);
  const bool is_kept = node::file_lock::holder(folder.lock_file()).has_value();
  if (!found && !is_kept) return head();
  return found;
}

core::result<void> check_tenant(clients::admin_client& of, const std::string& tenant) {
  const auto known = of.status();
  if (!known) return core::fail(known.error());
  if (std::find(known->tenants.begin(), known->tenants.end(), tenant) != known->tenants.end()) return {};
  return core::fail(core::errc::not_found,
                    fmt::format("tenant '{}' is not in this cluster: there are {}; the configuration must name it",
                                core::printable(tenant, 60), fmt::join(known->tenants, ", ")));
}

using change = std::function<core::result<void>(const node::tenant_tokens&)>;

// Files first: they are what counts when the head starts again.
core::result<void> carry_out(const options& chosen, const node::state_folder& folder, const change& apply) {
  auto found = running_head(chosen, folder);
  if (!found) return core::fail(found.error());
  clients::admin_client* told = found->get();
  if (told != nullptr) {
    if (auto known = check_tenant(*told, chosen.tenant); !known) return known;
  }
  if (auto done = apply(node::tenant_tokens(folder)); !done) return done;
  if (told == nullptr) return {};
  if (auto heard = told->read_tokens_again(); !heard) {
    return core::fail("the file is changed, but the head was not told", heard.error());
  }
  return {};
}

int run(const options& chosen, const change& apply, std::string_view outcome) {
  const auto folder = node::state_folder::open(chosen.state);
  if (!folder) return failed(folder.error());
  if (const auto done = carry_out(chosen, *folder, apply); !done) return failed(done.error());
  const auto file = node::tenant_tokens(*folder).file_of(chosen.tenant);
  if (chosen.json) {
    print_line(
        core::json_writer().text("tenant", chosen.tenant).text("token", outcome).text("file", file.string()).str());
  } else {
    print_line(fmt::format("the token of {} is {}: {}", chosen.tenant, outcome, file.string()));
  }
  return 0;
}

std::shared_ptr<options> add_to(CLI::App& command) {
  auto given = std::make_shared<options>();
  command.add_option("TENANT", given->tenant, "As the configuration names it")->required();
  command.add_option("--state", given->state, "State folder of the head's host")->capture_default_str();
  command.add_flag("--json", given->json, "One JSON value a line");
  return given;
}

void add_adding(CLI::App& token, invocation& chosen) {
  auto* command = token.add_subcommand("add", "Make a token for a tenant that has none");
  auto given = add_to(*command);
  command->footer("`up` makes the first one of every tenant; this is for after a revocation.\n\n"
                  "Example:\n  fastptm token add acme --state /tmp/demo");
  command->callback([given, &chosen] {
    chosen = [given] {
      return run(
          *given, [given](const auto& files) { return files.add(given->tenant); }, "made");
    };
  });
}

// Long enough to bring the new one everywhere.
constexpr core::duration_us longest_overlap_us = 31 * 24 * longest_duration_us;

int run_rotate(const options& chosen) {
  const auto keep_old_us =
      chosen.keep_old.empty() ? 0 : parse_duration(chosen.keep_old, longest_overlap_us).value_or(0);
  return run(
      chosen, [&](const auto& files) { return files.rotate(chosen.tenant, keep_old_us); }, "new");
}

void add_rotating(CLI::App& token, invocation& chosen) {
  auto* command = token.add_subcommand("rotate", "Make a new token in place of a tenant's old one");
  auto given = add_to(*command);
  command
      ->add_option("--keep-old-for", given->keep_old,
                   "How long the old one is good beside it: 90s, 1h; else it ends at once")
      ->check(is_duration(longest_overlap_us));
  command->footer(
      "Connections that were made with the old one end when it does. One is kept at most: a second rotation\n"
      "ends the first one's.\n\n"
      "Example:\n  fastptm token rotate acme --keep-old-for 1h --state /tmp/demo");
  command->callback([given, &chosen] { chosen = [given] { return run_rotate(*given); }; });
}

void add_revoking(CLI::App& token, invocation& chosen) {
  auto* command = token.add_subcommand("revoke", "Take a tenant's tokens back and end its connections");
  auto given = add_to(*command);
  command->footer("Its models stay published. It stays out, over restarts too, until `fastptm token add`.\n\n"
                  "Example:\n  fastptm token revoke acme --state /tmp/demo");
  command->callback([given, &chosen] {
    chosen = [given] {
      return run(
          *given, [given](const auto& files) { return files.revoke(given->tenant); }, "revoked");
    };
  });
}

} // namespace

void add_token(CLI::App& app, invocation& chosen) {
  auto* token = app.add_subcommand("token", "Make, change and take back the tokens of tenants");
  token->require_subcommand(1);
  for (auto* add : {add_adding, add_rotating, add_revoking}) add(*token, chosen);
}

} // namespace fastptm::cli
