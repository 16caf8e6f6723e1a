// Moves bytes between nodes by TCP: serves this node's exports and fetches from peers, on one pump.
//
// On one machine the bytes are read out of the peer's memory where the kernel allows it (cma), and the connection carries
// the rest.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/metrics.hpp"
#include "transport/copy_pool.hpp"
#include "transport/exporter.hpp"
#include "transport/fetcher.hpp"
#include "transport/sockets/limits.hpp"

namespace fastptm::transport::sockets {

struct backend_options {
  std::string listen_host = "127.0.0.1"; // numeric; the port is the system's choice unless given
  uint16_t listen_port = 0;
  std::string node; // this one's name
  uint64_t incarnation = 0;
  std::string secret;                       // the cluster's
  core::duration_us connect_us = 1'000'000; // to connect and prove the secret
  uint32_t fetches_in_flight = 256;         // beyond it fetch() answers busy
  serving_limits serving;
  core::metrics_registry* metrics = nullptr; // outlives the backend; null: nobody looks
  // Threads that read the memory of peers on this machine, and what checks the bytes meanwhile. Without a pool all bytes
  // come by TCP; without `fill` results come without a checksum.
  std::shared_ptr<copy_pool> copiers;
  checksummed_fill fill = nullptr;
  std::function<void()> on_pump_start; // runs first on the pump's thread
};

// Any thread, as fetcher says. The exporter outlives it. Memory of devices is neither read nor filled.
class backend final : public fetcher {
public:
  static core::result<std::unique_ptr<backend>> create(backend_options options, exporter& exports);
  ~backend() override; // fails what is outstanding, returns when nobody writes into any target

  core::result<transport::fetch_id> fetch(const peer_address& peer, const fetch_request& request,
                                          fetch_done done) override;
  void cancel(transport::fetch_id id) override;
  // Also cuts off what that node fetches from here.
  void close_peer(std::string_view node, uint64_t incarnation) override;
  path path_to(const peer_address& peer) const override;

  // Goes into this node's peer_address.
  uint16_t port() const;

private:
  class engine;
  explicit backend(std::unique_ptr<engine> made);

  std::unique_ptr<engine> engine_;
};

} // namespace fastptm::transport::sockets
