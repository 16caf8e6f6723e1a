// Serves Cap'n Proto connections with bounds that the library's own server does not have.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>
#include <kj/compat/tls.h>

#include "core/clock.hpp"
#include "core/metrics.hpp"
#include "rpc/acceptor.hpp"
#include "rpc/connection_quota.hpp"
#include "rpc/strangers.hpp"
#include "rpc/visitor.hpp"

namespace fastptm::rpc {

struct connection_limits {
  stranger_limits strangers;
  connection_quota_limits known;
  core::duration_us login_timeout_us = 0;
  uint64_t message_bytes = 0;
  uint64_t flow_bytes = 0;
};

// Of one kind, on any number of sockets; on the KJ thread. `make_bootstrap` makes what a new connection is offered.
class connections final : private kj::TaskSet::ErrorHandler {
public:
  using make_bootstrap = std::function<capnp::Capability::Client(visitor&)>;

  // `port` names it in logs and metrics.
  connections(kj::Timer& timer, std::string port, connection_limits limits, core::metrics_registry& metrics,
              make_bootstrap bootstrap);

  // With TLS if there is some, which outlives this.
  void listen(kj::Own<kj::ConnectionReceiver> listener, kj::TlsContext* tls = nullptr);

  // Ends the connections that were logged in with the token of that number, and with them every capability on them.
  void end_all_of(uint64_t token);

private:
  struct session;
  struct connection;

  void serve(kj::Own<kj::AsyncIoStream> socket, kj::TlsContext* tls);
  core::result<void> log_in(connection& from, const std::string& who, uint64_t token);
  void forget(connection& ended);
  void taskFailed(kj::Exception&& exception) override;

  kj::Timer& timer_;
  const std::string port_;
  const connection_limits limits_;
  const make_bootstrap bootstrap_;
  core::metrics_registry& metrics_;
  core::gauge& open_; // that are logged in
  core::counter& refused_;
  strangers strangers_;
  connection_quota quota_;
  std::set<connection*> known_;
  kj::TaskSet tasks_;                        // its tasks use everything above
  std::vector<kj::Own<acceptor>> acceptors_; // last: they add tasks
};

} // namespace fastptm::rpc
