// How a subcommand finds the cluster and proves who is asking.
#pragma once

#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "clients/cpp/client.hpp"

namespace fastptm::cli {

// --state DIR on the cluster's own host; elsewhere --connect (or FASTPTM_CONNECT) and FASTPTM_TOKEN.
struct cluster_options {
  std::string state;   // empty: the default one
  std::string connect; // empty: FASTPTM_CONNECT, unless there is a state
  std::string tenant;
  bool json = false;
  std::shared_ptr<clients::event_loop> loop; // shared by the clients of one thread; none: each has its own
};

// Adds --state, --connect, --json.
void add_cluster_options(CLI::App& command, cluster_options& to);
// The same and --as TENANT.
void add_tenant_options(CLI::App& command, cluster_options& to);

// By --connect or FASTPTM_CONNECT.
bool is_elsewhere(const cluster_options& options);

// Says why, as failed() does; the exit code is 2 where the user named what cannot be: an address, a tenant, a port.
int not_connected(const core::error& cause);

// Requests that are refused with a hint when to retry: tried again until their deadline, or answered so, for who
// measures how the cluster copes.
enum class refusals { waited_for, told };

// While the cluster on this host is starting its head again, both wait a few seconds for it.
core::result<std::unique_ptr<clients::tenant_client>> connect_tenant(const cluster_options& options,
                                                                     refusals when_refused = refusals::waited_for);
// Connects with the first request, as a part of its deadline.
core::result<std::unique_ptr<clients::tenant_client>> open_tenant(const cluster_options& options);
core::result<std::unique_ptr<clients::admin_client>> connect_admin(const cluster_options& options);

} // namespace fastptm::cli
