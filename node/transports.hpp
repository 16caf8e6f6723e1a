// How this node's memory is reached by others, and theirs by this node.
#pragma once

#include <memory>
#include <string>

#include "core/error.hpp"
#include "core/metrics.hpp"
#include "node/config/config.hpp"
#include "transport/address.hpp"
#include "transport/copy_pool.hpp"
#include "transport/exporter.hpp"
#include "transport/fetcher.hpp"
#include "transport/same_host/backend.hpp"
#include "transport/same_host/owner.hpp"

namespace fastptm::node {

// Made before the actors, outlives them. Destroying it returns when nothing writes into any target any more.
class transports {
public:
  static core::result<std::unique_ptr<transports>> create(const cluster_config& config, const node_config& self,
                                                          const std::string& secret, core::metrics_registry& metrics);

  transport::exporter& exports() { return exports_; }
  const transport::peer_address& address() const { return address_; }

  // Memory that can be mapped is; everything else comes over the network. Null when neither can reach the peer.
  transport::fetcher* fetcher_to(const transport::peer_address& peer);
  void forget(const std::string& node, uint64_t incarnation);

private:
  transports() = default;
  core::result<void> open_network(const cluster_config& config, const node_config& self, const std::string& secret,
                                  std::shared_ptr<transport::copy_pool> copiers, core::metrics_registry& metrics);
  template <class Backend> core::result<void> keep(core::result<std::unique_ptr<Backend>> made);

  transport::exporter exports_;
  transport::peer_address address_;
  std::unique_ptr<transport::same_host::owner> owner_; // of a store: hands out its cache's memory
  std::unique_ptr<transport::same_host::backend> mapped_;
  std::unique_ptr<transport::fetcher> network_; // our sockets, or UCX where the configuration names a fabric
};

} // namespace fastptm::node
