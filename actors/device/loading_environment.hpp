// What the loads of one node share: transports, verification and policy. Made by node/, outlives the actors.
#pragma once

#include <functional>
#include <string>

#include "core/clock.hpp"
#include "policy/sourcing.hpp"
#include "protocol/loading.hpp"
#include "transport/exporter.hpp"
#include "transport/fetcher.hpp"
#include "weights/load/loader.hpp"
#include "weights/load/scrubber.hpp"
#include "weights/load/verifier.hpp"

namespace fastptm::actors {

struct loading_environment {
  std::string boot_id;
  // The best way to a peer; null when there is none. Any thread.
  std::function<transport::fetcher*(const transport::peer_address&)> fetcher_to;
  transport::exporter* exporter = nullptr;
  weights::verifier* checker = nullptr;
  weights::scrubber* scrubber = nullptr;
  const core::clock* clock = nullptr;
  policy::allowed_sources allowed;
  weights::loader_options loader;
};

inline transport::peer_address to_address(const protocol::peer_row& row) {
  return {row.node, row.incarnation, row.boot_id, row.same_host_socket, row.data_host, row.data_port};
}

inline protocol::peer_row to_row(const transport::peer_address& address) {
  return {address.node,      address.incarnation, address.boot_id, address.same_host_socket,
          address.data_host, address.data_port};
}

} // namespace fastptm::actors
