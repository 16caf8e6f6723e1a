// Spawns the actors of one node, in the order in which they need each other.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "actors/device/loading_environment.hpp"
#include "actors/membership/connector.hpp"
#include "actors/membership/directory.hpp"
#include "actors/membership/entrance.hpp"
#include "actors/serving/scheduler.hpp"
#include "actors/store/weight_store.hpp"
#include "core/metrics.hpp"
#include "engine/batch_runner.hpp"
#include "gpu/device.hpp"
#include "policy/admission.hpp"
#include "policy/scheduling/events.hpp"
#include "protocol/interfaces.hpp"

namespace fastptm::actors {

struct device_parts {
  std::string name; // "worker-0/host0"
  gpu::device* device = nullptr;
  engine::batch_runner* runner = nullptr;
};

struct tenant_parts {
  std::string name;
  uint32_t share = 1;
  uint32_t max_models = 0;
  policy::tenant_limits limits;
  policy::scheduling::late_rule late = policy::scheduling::late_rule::serve;
};

// What the head (with its store) has beside every other node: the options of its actors, as configured.
// start_node adds what it knows itself: handles, tenants, clock, metrics, the node's own address.
struct head_parts {
  core::network_address listen; // port 0: chosen by the system
  std::vector<tenant_parts> tenants;
  core::duration_us default_deadline_us = 0; // of every tenant's requests
  directory_options directory;
  scheduler_options scheduler;
  weight_store_options store;
};

// Everything pointed to outlives the actor system.
struct node_parts {
  std::string secret;
  transport::peer_address address; // of this node: its name, incarnation and where its memory can be read
  uint32_t pid = 0;
  std::vector<std::string> roles;
  const loading_environment* environment = nullptr;
  std::vector<device_parts> devices;
  std::optional<head_parts> head;
  control::tunnels* through = nullptr; // to the head and to the other nodes
  endpoint_finder find_head;           // of the other nodes
  core::duration_us connect_timeout_us = 0;
  core::metrics_registry* metrics = nullptr; // may be null

  // On an actor's thread; must not block.
  std::function<void()> on_joined;
  std::function<void(const std::string& node, uint64_t incarnation)> on_peer_lost;
  std::function<void(const core::error&)> on_fatal;
};

struct head_actors {
  protocol::directory_actor directory;
  protocol::ledger_actor ledger;
  protocol::scheduler_actor scheduler;
  protocol::weight_store_actor weight_store;
  std::vector<std::pair<std::string, protocol::tenant_actor>> tenants;
  protocol::entrance_actor entrance;   // of the head's own supervisor
  std::unique_ptr<control::door> door; // of the others
};

struct node_actors {
  protocol::supervisor_actor supervisor;
  std::vector<protocol::gpu_worker_actor> workers; // of its devices
  std::optional<head_actors> head;
};

// Before it, on the head: weights::content_store::collect_garbage. To stop: send stop_atom with high
// priority to the supervisor, wait for its end, drop all handles (the door closes), destroy the system.
core::result<node_actors> start_node(caf::actor_system& system, const node_parts& parts);

// Its parts, which wait for nothing and open nothing, for who has no network: the head's actors without its door, and
// a node's own, with the head's where it is the head.
head_actors spawn_head(caf::actor_system& system, const node_parts& parts, const std::string& admission);
node_actors spawn_node(caf::actor_system& system, const node_parts& parts, std::optional<head_actors> head,
                       head_reacher reach_head);

} // namespace fastptm::actors
