// Addresses and tokens from the state folder or the environment.
#include "node/commands/connection.hpp"

#include <cstdlib>
#include <thread>

#include <fmt/format.h>

#include "core/network_address.hpp"
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

// From FASTPTM_TOKEN, else the file that FASTPTM_TOKEN_FILE names; empty when neither is set.
core::result<std::string> environment_token() {
  if (auto token = trimmed(from_environment("FASTPTM_TOKEN")); !token.empty()) return token;
  const auto file = from_environment("FASTPTM_TOKEN_FILE");
  if (file.empty()) return std::string();
  const auto text = read_file(file);
  if (!text) return core::fail("FASTPTM_TOKEN_FILE", text.error());
  auto token = trimmed(*text);
  if (token.empty()) return core::fail(core::errc::permission_denied, "FASTPTM_TOKEN_FILE: " + file + " is empty");
  return token;
}

template <class Client>
core::result<std::unique_ptr<Client>> connect_elsewhere(const cluster_options& options, const char* port_of) {
  const auto address = core::parse_network_address(trimmed(options.connect));
  if (!address) {
    return core::fail(core::errc::invalid,
                      fmt::format("--connect: {}; {} is in run/NODE.json of the head's state folder",
                                  address.error().message, port_of));
  }
  const auto token = environment_token();
  if (!token) return core::fail(token.error());
  if (token->empty()) {
    return core::fail(core::errc::permission_denied,
                      fmt::format("connecting to {} needs a token in FASTPTM_TOKEN, or in the file that "
                                  "FASTPTM_TOKEN_FILE names",
                                  options.connect));
  }
  return Client::connect({.address = core::to_text(*address), .token = *token, .loop = options.loop});
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
  command
      .add_option(
          "--connect", to.connect,
          "HOST:PORT of a cluster elsewhere; the token comes from FASTPTM_TOKEN, or the file FASTPTM_TOKEN_FILE")
      ->envname("FASTPTM_CONNECT");
  command.add_flag("--json", to.json, "One JSON value a line");
}

void add_tenant_options(CLI::App& command, cluster_options& to) {
  add_cluster_options(command, to);
  command.add_option("--as", to.tenant, "Which tenant asks; its token is taken from the state folder");
}

core::result<std::unique_ptr<rpc::tenant_client>> connect_tenant(const cluster_options& options) {
  if (!options.connect.empty()) return connect_elsewhere<rpc::tenant_client>(options, "the gateway's");
  auto folder = state_folder::open(options.state);
  if (!folder) return core::fail(folder.error());
  const auto token = options.tenant.empty() ? environment_token() : folder->tenant_token(options.tenant);
  if (!token) return core::fail(token.error());
  if (token->empty()) {
    return core::fail(core::errc::permission_denied,
                      "say who asks: --as TENANT, or a token in FASTPTM_TOKEN or the file FASTPTM_TOKEN_FILE");
  }
  return connect_local<rpc::tenant_client>(*folder, *token, &node_record::gateway, options.loop);
}

core::result<std::unique_ptr<rpc::admin_client>> connect_admin(const cluster_options& options) {
  if (!options.connect.empty()) return connect_elsewhere<rpc::admin_client>(options, "the administration's");
  auto folder = state_folder::open(options.state);
  if (!folder) return core::fail(folder.error());
  auto token = folder->admin_token();
  if (!token) return core::fail(token.error());
  return connect_local<rpc::admin_client>(*folder, *token, &node_record::admin, options.loop);
}

} // namespace fastptm::node::commands
