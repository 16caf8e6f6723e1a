// The parts of a node as its configuration wants them: devices, and the options of its actors and of its outside face.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "actors/start_node.hpp"
#include "engine/runner.hpp"
#include "gpu/device.hpp"
#include "node/config/config.hpp"
#include "node/state_folder.hpp"
#include "node/storage.hpp"
#include "policy/sourcing.hpp"
#include "rpc/front_end.hpp"

namespace fastptm::node {

struct owned_device {
  std::string name; // node/device
  std::unique_ptr<gpu::device> device;
  std::unique_ptr<engine::runner> runner; // destroyed before its device
};

core::result<std::vector<owned_device>> make_devices(const node_config& self);

// With the address as a number of this machine: what sockets are bound to and peers are told.
core::result<node_config> with_own_address(node_config self);

policy::allowed_sources allowed_of(const cluster_config& config, const node_config& self);

// What is kept outlives the actors.
actors::head_parts head_parts_of(const cluster_config& config, const node_config& self, storage& kept);

// Where the head listens: as configured, or as it says in the state folder of the same host.
actors::endpoint_finder head_finder(const cluster_config& config, const state_folder& folder);

// Reads the tokens of the state folder.
core::result<rpc::front_end_options> front_end_options_of(const cluster_config& config, const state_folder& folder);

} // namespace fastptm::node
