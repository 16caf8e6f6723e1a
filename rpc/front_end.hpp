// The head's KJ thread: gateway, administration and HTTP on one event loop.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "core/error.hpp"
#include "core/metrics.hpp"
#include "rpc/admin.hpp"
#include "rpc/bridge.hpp"
#include "rpc/connections.hpp"
#include "rpc/gateway.hpp"
#include "rpc/tls.hpp"

namespace fastptm::rpc {

struct front_end_options {
  std::string address; // of the gateway; numeric, as the next
  uint16_t port = 0;
  std::optional<tls_identity> tls; // of that port; clients on this machine then have another, without, on loopback
  uint16_t admin_port = 0;         // on loopback
  std::string http_address = "127.0.0.1";
  uint16_t http_port = 0;
  connection_limits limits; // of the gateway
  connection_limits admin_limits;
  stranger_limits http_limits;
  gateway_options gateway;
  admin_options admin;
};

// Where clients find it; ports are as chosen by the system where 0 was asked for.
struct front_end_addresses {
  std::string gateway;     // host:port; of clients on this machine where there is the next
  std::string gateway_tls; // empty: no TLS
  std::string admin;
  std::string http;
};

// Started and stopped by the node's main thread.
class front_end {
public:
  // Listens when it returns. unavailable: a port is taken, with its number.
  static core::result<std::unique_ptr<front_end>> start(caf::actor_system& system, bridge_targets targets,
                                                        front_end_options options, core::metrics_registry& metrics);
  // Closes every connection and drops the handles of actors.
  ~front_end();
  front_end(const front_end&) = delete;
  front_end& operator=(const front_end&) = delete;

  const front_end_addresses& addresses() const { return addresses_; }

private:
  front_end() = default;

  std::thread thread_;
  kj::Own<kj::CrossThreadPromiseFulfiller<void>> stop_;
  front_end_addresses addresses_;
};

} // namespace fastptm::rpc
