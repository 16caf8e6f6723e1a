// Addresses and tokens from the state folder or the environment.
#include "node/commands/connection.hpp"

#include <cstdlib>
#include <thread>

#include "node/node_record.hpp"
#include "node/state_folder.hpp"

namespace fastptm::node::commands {

namespace {

// A head that was killed is back well within this.
constexpr core::duration_us patience_us = 3'000'000;
constexpr auto pause = std::chrono::milliseconds(50);

std::string from_environment(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? std::string() : text;
}

core::result<std::string> environment_token(const std::string& address) {
  auto token = from_environment("FASTPTM_TOKEN");
  if (token.empty()) {
    return core::fail(core::errc::permission_denied, "connecting to " + address + " needs a token in FASTPTM_TOKEN");
  }
  return token;
}

// Client: tenant_client or admin_client. `address_of` picks the listening address of the head's record.
template <class Client>
core::result<std::unique_ptr<Client>> connect_local(const state_folder& folder, const std::string& token,
                                                    std::string node_record::*address_of,
                                                    const std::shared_ptr<rpc::event_loop>& loop) {
  const auto give_up_us = core::monotonic_now_us() + patience_us;
  for (;;) {
    core::result<std::unique_ptr<Client>> client = core::fail(core::errc::unavailable, "");
    auto head = find_head(folder.run());
    if (head) {
      client = Client::connect({.address = (*head).*address_of, .token = token, .loop = loop});
      if (client || client.error().code != core::errc::unavailable) return client;
    } else {
      client = core::fail(head.error());
    }
    const bool kept = file_lock::holder(folder.lock_file()).has_value();
    if (!kept || core::monotonic_now_us() >= give_up_us) return client;
    std::this_thread::sleep_for(pause);
  }
}

} // namespace

void add_cluster_options(CLI::App& command, cluster_options& to) {
  to.state = state_folder::default_path().string();
  command.add_option("--state", to.state, "State folder of a cluster on this host")->capture_default_str();
  command.add_option("--connect", to.connect, "HOST:PORT of a cluster elsewhere; the token comes from FASTPTM_TOKEN")
      ->envname("FASTPTM_CONNECT");
  command.add_flag("--json", to.json, "One JSON value a line");
}

void add_tenant_options(CLI::App& command, cluster_options& to) {
  add_cluster_options(command, to);
  command.add_option("--as", to.tenant, "Which tenant asks; its token is taken from the state folder");
}

core::result<std::unique_ptr<rpc::tenant_client>> connect_tenant(const cluster_options& options) {
  if (!options.connect.empty()) {
    auto token = environment_token(options.connect);
    if (!token) return core::fail(token.error());
    return rpc::tenant_client::connect({.address = options.connect, .token = *token, .loop = options.loop});
  }
  auto folder = state_folder::open(options.state);
  if (!folder) return core::fail(folder.error());
  std::string token = from_environment("FASTPTM_TOKEN");
  if (!options.tenant.empty()) {
    auto own = folder->tenant_token(options.tenant);
    if (!own) return core::fail(own.error());
    token = *own;
  }
  if (token.empty()) return core::fail(core::errc::permission_denied, "say who asks: --as TENANT, or FASTPTM_TOKEN");
  return connect_local<rpc::tenant_client>(*folder, token, &node_record::gateway, options.loop);
}

core::result<std::unique_ptr<rpc::admin_client>> connect_admin(const cluster_options& options) {
  if (!options.connect.empty()) {
    auto token = environment_token(options.connect);
    if (!token) return core::fail(token.error());
    return rpc::admin_client::connect({.address = options.connect, .token = *token, .loop = options.loop});
  }
  auto folder = state_folder::open(options.state);
  if (!folder) return core::fail(folder.error());
  auto token = folder->admin_token();
  if (!token) return core::fail(token.error());
  return connect_local<rpc::admin_client>(*folder, *token, &node_record::admin, options.loop);
}

} // namespace fastptm::node::commands
