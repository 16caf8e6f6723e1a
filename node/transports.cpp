// The backends of a node, and the choice between them.
#include "node/transports.hpp"

#include <fmt/format.h>

#include "core/random.hpp"
#include "transport/sockets/backend.hpp"
#include "transport/ucx/backend.hpp"
#include "transport/ucx/environment.hpp"
#include "weights/format/hash.hpp"

namespace fastptm::node {

core::result<std::unique_ptr<transports>> transports::create(const cluster_config& config, const node_config& self,
                                                             const std::string& secret,
                                                             core::metrics_registry& metrics) {
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
  if (auto opened = out->open_network(config, self, secret, copiers, metrics); !opened)
    return core::fail(opened.error());
  return out;
}

namespace {

template <class Options>
Options filled(Options options, const cluster_config& config, const node_config& self, uint64_t incarnation,
               const std::string& secret) {
  options.listen_host = self.address;
  options.listen_port = self.data_port;
  options.incarnation = incarnation;
  options.secret = secret;
  options.fill = weights::fill_and_checksum;
  // What is lost of a connection's beginning is sent again after a second.
  options.connect_us = 2 * config.liveness.connect_timeout_us;
  return options;
}

} // namespace

template <class Backend> core::result<void> transports::keep(core::result<std::unique_ptr<Backend>> made) {
  if (!made) return core::fail("data port", made.error());
  address_.data_port = (*made)->port();
  network_ = std::move(*made);
  return {};
}

core::result<void> transports::open_network(const cluster_config& config, const node_config& self,
                                            const std::string& secret, std::shared_ptr<transport::copy_pool> copiers,
                                            core::metrics_registry& metrics) {
  const std::string_view ways = config.transfers.ucx_transports;
  address_.data_host = self.address;
  if (transport::ucx::names_fabric(ways)) {
    transport::ucx::backend_options options;
    options.copiers = std::move(copiers); // UCX_TLS says whether they may read peers' memory
    return keep(transport::ucx::backend::create(filled(std::move(options), config, self, address_.incarnation, secret),
                                                exports_));
  }
  transport::sockets::backend_options options;
  options.node = self.name;
  options.metrics = &metrics;
  if (ways.find("cma") != ways.npos) options.copiers = std::move(copiers);
  return keep(transport::sockets::backend::create(
      filled(std::move(options), config, self, address_.incarnation, secret), exports_));
}

transport::fetcher* transports::fetcher_to(const transport::peer_address& peer) {
  const bool same_host = !peer.boot_id.empty() && peer.boot_id == address_.boot_id;
  if (same_host && !peer.same_host_socket.empty()) return mapped_.get();
  return peer.data_host.empty() ? nullptr : network_.get();
}

void transports::forget(const std::string& node, uint64_t incarnation) {
  mapped_->close_peer(node, incarnation);
  network_->close_peer(node, incarnation);
}

} // namespace fastptm::node
