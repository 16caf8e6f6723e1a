// Moves bytes between nodes with UCX active messages: serves this node's exports and fetches from peers, on one pump.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "transport/copy_pool.hpp"
#include "transport/exporter.hpp"
#include "transport/fetcher.hpp"
#include "transport/ucx/limits.hpp"

namespace fastptm::transport::ucx {

struct backend_options {
  std::string listen_host = "127.0.0.1"; // numeric; the port is the system's choice unless given
  uint16_t listen_port = 0;
  uint64_t incarnation = 0;
  std::string secret;                       // the cluster's
  core::duration_us connect_us = 1'000'000; // to connect and prove the secret
  uint32_t fetches_in_flight = 256;         // beyond it fetch() answers busy
  serving_limits serving;
  // Where the kernel lets us read a peer's memory: threads that do it, and what checks the bytes meanwhile. Without a
  // pool UCX reads on the pump, at two thirds of the speed; without `fill` results come without a checksum.
  std::shared_ptr<copy_pool> copiers;
  checksummed_fill fill = nullptr;
  std::function<void()> on_pump_start; // runs first on the pump's thread
};

// UCX's own framing below our messages trusts its peers: listen on a network that only the cluster reaches.
// The environment (environment.hpp) must be set before. Any thread, as fetcher says. The exporter outlives it.
class backend final : public fetcher {
public:
  static core::result<std::unique_ptr<backend>> create(backend_options options, exporter& exports);
  ~backend() override; // fails what is outstanding, returns when UCX has let go of every target

  core::result<transport::fetch_id> fetch(const peer_address& peer, const fetch_request& request,
                                          fetch_done done) override;
  void cancel(transport::fetch_id id) override;
  void close_peer(std::string_view node, uint64_t incarnation) override;
  path path_to(const peer_address& peer) const override;

  // Goes into this node's peer_address.
  uint16_t port() const;
  // Whether this process's UCX_TLS allows reading peers' memory on one host.
  bool cma_allowed() const;

private:
  class engine; // UCX's types stay behind it
  explicit backend(std::unique_ptr<engine> made);

  std::unique_ptr<engine> engine_;
};

} // namespace fastptm::transport::ucx
