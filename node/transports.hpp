// How this node's memory is reached by others, and theirs by this node.
#pragma once

#include <memory>
#include <string>

#include "core/error.hpp"
#include "node/config/config.hpp"
#include "transport/address.hpp"
#include "transport/exporter.hpp"
#include "transport/same_host/backend.hpp"
#include "transport/same_host/owner.hpp"
#include "transport/ucx/backend.hpp"

namespace fastptm::node {

// Made before the actors, outlives them. Destroying it returns when nothing writes into any target any more.
class transports {
public:
  static core::result<std::unique_ptr<transports>> create(const cluster_config& config, const node_config& self,
                                                          const std::string& secret);

  transport::exporter& exports() { return exports_; }
  const transport::peer_address& address() const { return address_; }

  // Memory that can be mapped is; everything else is copied by UCX. Null when neither can reach the peer.
  transport::fetcher* fetcher_to(const transport::peer_address& peer);
  void forget(const std::string& node);

private:
  transports() = default;

  transport::exporter exports_;
  transport::peer_address address_;
  std::unique_ptr<transport::same_host::owner> owner_; // of a store: hands out its cache's memory
  std::unique_ptr<transport::same_host::backend> mapped_;
  std::unique_ptr<transport::ucx::backend> ucx_;
};

} // namespace fastptm::node
