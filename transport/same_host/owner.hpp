// Hands the sealed files of this node's exports to peers on this host that prove the cluster secret.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "core/clock.hpp"
#include "transport/cluster_secret.hpp"
#include "transport/exporter.hpp"
#include "transport/same_host/link.hpp"

namespace fastptm::transport::same_host {

struct owner_options {
  std::string address; // goes into peer_address.same_host_socket; '@name' = abstract
  uint64_t incarnation = 0;
  std::string secret;
  core::duration_us message_us = 250'000; // a peer that takes longer for a message is hung up on
};

// One thread of its own, blocked in accept. A conversation is four small messages with a bound on each wait.
class owner {
public:
  // The exporter outlives it.
  static core::result<std::unique_ptr<owner>> create(owner_options options, exporter& exports);
  ~owner();

  owner(const owner&) = delete;
  owner& operator=(const owner&) = delete;

private:
  owner(owner_options options, exporter& exports, core::descriptor socket);
  void run();
  core::result<void> talk(const core::descriptor& peer);

  const owner_options options_;
  const cluster_secret secret_;
  exporter& exports_;
  const core::descriptor socket_;
  std::thread thread_;
};

} // namespace fastptm::transport::same_host
