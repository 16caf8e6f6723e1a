// Addresses and tokens from the state folder or the environment.
#include "cli/connection.hpp"

#include <cstdlib>
#include <functional>
#include <thread>

#include <fmt/format.h>

#include "cli/output.hpp"
#include "core/network_address.hpp"
#include "node/node_record.hpp"
#include "node/state_folder.hpp"

namespace fastptm::cli {

namespace {

// A head that was killed is back well within this.
constexpr core::duration_us patience_us = 3'000'000;
constexpr std::string_view tls_prefix = "tls://";
constexpr auto pause = std::chrono::milliseconds(50);

std::string from_environment(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? std::string() : text;
}

// From FASTPTM_TOKEN, else the file that FASTPTM_TOKEN_FILE names; empty when neither is set.
core::result<std::string> environment_token() {
  if (auto token = node::trimmed(from_environment("FASTPTM_TOKEN")); !token.empty()) return token;
  const auto file = from_environment("FASTPTM_TOKEN_FILE");
  if (file.empty()) return std::string();
  const auto text = node::read_file(file);
  if (!text) return core::fail("FASTPTM_TOKEN_FILE", text.error());
  auto token = node::trimmed(*text);
  if (token.empty())
    return core::fail(core::errc::permission_denied,
                      "FASTPTM_TOKEN_FILE: " + file + " is empty: put the token into it");
  return token;
}

// What stands on the command line counts more than the environment. Empty: the cluster is on this host.
std::string address_elsewhere(const cluster_options& options) {
  if (!options.connect.empty()) return options.connect;
  return options.state.empty() ? from_environment("FASTPTM_CONNECT") : std::string();
}

core::result<clients::connect_options> access_elsewhere(const cluster_options& options, const char* port_of) {
  const auto where = node::trimmed(address_elsewhere(options));
  const bool tls = where.starts_with(tls_prefix);
  const auto address = core::parse_network_address(std::string_view(where).substr(tls ? tls_prefix.size() : 0));
  if (!address) {
    return core::fail(core::errc::invalid, fmt::format("{}: {}; {} is in run/NODE.json of the head's state folder",
                                                       options.connect.empty() ? "FASTPTM_CONNECT" : "--connect",
                                                       address.error().message, port_of));
  }
  const auto token = environment_token();
  if (!token) return core::fail(token.error());
  if (token->empty()) {
    return core::fail(core::errc::permission_denied,
                      fmt::format("connecting to {} needs a token in FASTPTM_TOKEN, or in the file that "
                                  "FASTPTM_TOKEN_FILE names",
                                  where));
  }
  return clients::connect_options{.address = std::string(tls ? tls_prefix : "") + core::to_text(*address),
                                  .authority = from_environment("FASTPTM_CA"),
                                  .token = *token,
                                  .loop = options.loop};
}

// The address in the head's record, which is another one after the head was started again. While nobody keeps the head
// running, the record may be that of a dead one: one try is enough.
std::function<core::result<std::string>()> address_finder(const node::state_folder& folder,
                                                          std::string node::node_record::*address_of) {
  return [folder, address_of, tries = 0]() mutable -> core::result<std::string> {
    const bool is_kept = node::file_lock::holder(folder.lock_file()).has_value();
    auto head = node::find_head(folder.run());
    if (head && (is_kept || tries++ == 0)) return (*head).*address_of;
    if (is_kept) return core::fail(core::errc::unavailable, "the head is being started: try again in a second");
    return core::fail(core::errc::not_found,
                      fmt::format("no cluster runs from {}: start one with `fastptm up`", folder.path().string()));
  };
}

// Client: tenant_client or admin_client.
template <class Client>
core::result<std::unique_ptr<Client>> connect_local(const node::state_folder& folder,
                                                    const clients::connect_options& access) {
  const auto give_up_us = core::monotonic_now_us() + patience_us;
  for (;;) {
    auto client = Client::connect(access); // asks for the address itself, at every try
    if (client || client.error().code != core::errc::unavailable) return client;
    const bool kept = node::file_lock::holder(folder.lock_file()).has_value();
    if (!kept || core::monotonic_now_us() >= give_up_us) return client;
    std::this_thread::sleep_for(pause);
  }
}

core::result<node::state_folder> folder_of(const cluster_options& options) {
  return node::state_folder::open(options.state.empty() ? node::state_folder::default_path()
                                                        : std::filesystem::path(options.state));
}

// What the user has said wrongly is `invalid`: wrong usage.
core::result<clients::connect_options> tenant_access(const cluster_options& options) {
  if (is_elsewhere(options)) return access_elsewhere(options, "the gateway's");
  auto folder = folder_of(options);
  if (!folder) return core::fail(folder.error());
  const auto token = options.tenant.empty() ? environment_token() : folder->tenant_token(options.tenant);
  if (!token) {
    const bool is_unknown = !options.tenant.empty() && token.error().code == core::errc::not_found;
    return core::fail(is_unknown ? core::errc::invalid : token.error().code, token.error().message);
  }
  if (token->empty()) {
    return core::fail(core::errc::invalid,
                      "say who asks: --as TENANT, or a token in FASTPTM_TOKEN or the file FASTPTM_TOKEN_FILE");
  }
  return clients::connect_options{.address = {},
                                  .token = *token,
                                  .loop = options.loop,
                                  .find_address = address_finder(*folder, &node::node_record::gateway)};
}

} // namespace

void add_cluster_options(CLI::App& command, cluster_options& to) {
  command.add_option("--state", to.state, "State folder of a cluster on this host")
      ->default_str(node::state_folder::default_path().string());
  command.add_option(
      "--connect", to.connect,
      "HOST:PORT of a cluster elsewhere, tls://HOST:PORT where it has TLS (FASTPTM_CA is the file of the authority to "
      "trust), or in FASTPTM_CONNECT, which --state makes forget; the token comes from FASTPTM_TOKEN, or the file "
      "FASTPTM_TOKEN_FILE");
  command.add_flag("--json", to.json, "One JSON value a line");
}

void add_tenant_options(CLI::App& command, cluster_options& to) {
  add_cluster_options(command, to);
  command.add_option("--as", to.tenant, "Which tenant asks; its token is taken from the state folder");
}

bool is_elsewhere(const cluster_options& options) {
  return !address_elsewhere(options).empty();
}

int not_connected(const core::error& cause) {
  failed(cause);
  return cause.code == core::errc::invalid ? 2 : 1;
}

core::result<std::unique_ptr<clients::tenant_client>> connect_tenant(const cluster_options& options,
                                                                     refusals when_refused) {
  auto access = tenant_access(options);
  if (!access) return core::fail(access.error());
  access->waits_when_refused = when_refused == refusals::waited_for;
  if (is_elsewhere(options)) return clients::tenant_client::connect(*access);
  const auto folder = folder_of(options);
  if (!folder) return core::fail(folder.error());
  return connect_local<clients::tenant_client>(*folder, *access);
}

core::result<std::unique_ptr<clients::tenant_client>> open_tenant(const cluster_options& options) {
  auto access = tenant_access(options);
  if (!access) return core::fail(access.error());
  return clients::tenant_client::open(*access);
}

core::result<std::unique_ptr<clients::admin_client>> connect_admin(const cluster_options& options) {
  if (is_elsewhere(options)) {
    const auto access = access_elsewhere(options, "the administration's");
    if (!access) return core::fail(access.error());
    return clients::admin_client::connect(*access);
  }
  auto folder = folder_of(options);
  if (!folder) return core::fail(folder.error());
  auto token = folder->admin_token();
  if (!token) return core::fail(token.error());
  return connect_local<clients::admin_client>(*folder,
                                              {.address = {},
                                               .token = *token,
                                               .loop = options.loop,
                                               .find_address = address_finder(*folder, &node::node_record::admin)});
}

} // namespace fastptm::cli
