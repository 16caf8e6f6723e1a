// The two backends of a node, and the choice between them.
#include "node/transports.hpp"

#include <fmt/format.h>

#include "core/random.hpp"
#include "weights/format/hash.hpp"

namespace fastptm::node {

core::result<std::unique_ptr<transports>> transports::create(const cluster_config& config, const node_config& self,
                                                             const std::string& secret) {
  std::unique_ptr<transports> out(new transports);
  auto& address = out->address_;
  address.node = self.name;
  address.incarnation = core::true_random_u64();
  address.boot_id = transport::this_boot_id();
  if (self.store) {
    // Abstract: it ends with the process and needs no folder.
    address.same_host_socket = fmt::format("@fastptm-{:016x}", address.incarnation);
    auto owner = transport::same_host::owner::create(
        {.address = address.same_host_socket, .incarnation = address.incarnation, .secret = secret}, out->exports_);
    if (!owner) return core::fail("same-host transport", owner.error());
    out->owner_ = std::move(*owner);
  }
  transport::same_host::backend_options mapped;
  mapped.secret = secret;
  const auto copiers = std::make_shared<transport::copy_pool>(config.transfers.copy_threads);
  mapped.copiers = copiers;
  mapped.copy = weights::copy_and_checksum;
  out->mapped_ = std::make_unique<transport::same_host::backend>(std::move(mapped));
  transport::ucx::backend_options network;
  network.listen_host = self.address;
  network.listen_port = self.data_port;
  network.incarnation = address.incarnation;
  network.secret = secret;
  network.copiers = copiers;
  network.fill = weights::fill_and_checksum;
  network.connect_us = config.liveness.connect_timeout_us;
  auto ucx = transport::ucx::backend::create(std::move(network), out->exports_);
  if (!ucx) return core::fail("network transport", ucx.error());
  out->ucx_ = std::move(*ucx);
  address.ucx_host = self.address;
  address.ucx_port = out->ucx_->port();
  return out;
}

transport::fetcher* transports::fetcher_to(const transport::peer_address& peer) {
  const bool same_host = !peer.boot_id.empty() && peer.boot_id == address_.boot_id;
  if (same_host && !peer.same_host_socket.empty()) return mapped_.get();
  return peer.ucx_host.empty() ? nullptr : ucx_.get();
}

void transports::forget(const std::string& node) {
  mapped_->close_peer(node);
  ucx_->close_peer(node);
}

} // namespace fastptm::node
