// The composition of a node's actors: read top to bottom, it shows who knows whom.
#include "actors/start_node.hpp"

#include <chrono>

#include "actors/actor_from_state.hpp"
#include "actors/device/gpu_worker.hpp"
#include "actors/membership/ledger.hpp"
#include "actors/membership/supervisor.hpp"
#include "actors/serving/tenant.hpp"
#include "core/random.hpp"
#include "policy/scheduling/core.hpp"
#include "protocol/errors.hpp"

namespace fastptm::actors {

namespace {

// Reading the manifests of as many models as a cluster may have.
constexpr auto catalogue_timeout = std::chrono::minutes(2);

protocol::scheduler_actor spawn_scheduler(caf::actor_system& system, const node_parts& parts) {
  const auto& head = *parts.head;
  auto options = head.scheduler;
  for (uint32_t i = 0; i < head.tenants.size(); ++i)
    options.tenants.push_back({{i}, head.tenants[i].name, head.tenants[i].share, head.tenants[i].late});
  options.store_boot_id = parts.address.boot_id;
  options.clock = parts.environment->clock;
  options.metrics = parts.metrics;
  return system.spawn<actor_from_state<scheduler>>(std::move(options));
}

protocol::tenant_actor spawn_tenant(caf::actor_system& system, const node_parts& parts, uint32_t index,
                                    const protocol::scheduler_actor& to) {
  const auto& tenant_part = parts.head->tenants[index];
  tenant_options options;
  options.id = {index};
  options.name = tenant_part.name;
  options.limits = tenant_part.limits;
  options.default_deadline_us = parts.head->default_deadline_us;
  options.clock = parts.environment->clock;
  options.metrics = parts.metrics;
  options.scheduler = to;
  return system.spawn<actor_from_state<tenant>>(std::move(options));
}

protocol::weight_store_actor spawn_weight_store(caf::actor_system& system, const node_parts& parts,
                                                const head_actors& known) {
  const auto& head = *parts.head;
  auto options = head.store;
  options.metrics = parts.metrics;
  options.scheduler = known.scheduler;
  for (size_t i = 0; i < head.tenants.size(); ++i)
    options.tenants.push_back({head.tenants[i].name, known.tenants[i].second, head.tenants[i].max_models});
  return system.spawn<actor_from_state<weight_store>>(std::move(options));
}

protocol::directory_actor spawn_directory(caf::actor_system& system, const node_parts& parts, const head_actors& known,
                                          const std::string& admission) {
  auto options = parts.head->directory;
  options.secret = parts.secret;
  options.admission = admission;
  options.clock = parts.environment->clock;
  options.store = to_row(parts.address);
  options.ledger = known.ledger;
  options.scheduler = known.scheduler;
  options.weight_store = known.weight_store;
  return system.spawn<actor_from_state<directory>>(std::move(options));
}

// Until tenants and scheduler have been told every published model, ahead of whatever is asked from now on: a client
// that comes the moment the head is back must not hear that its model is missing.
core::result<void> wait_for_models(caf::actor_system& system, const protocol::weight_store_actor& store) {
  core::result<void> known;
  caf::scoped_actor self{system};
  self->request(store, catalogue_timeout, protocol::list_atom_v)
      .receive([](const protocol::model_list&) {},
               [&](const caf::error& failure) { known = core::fail(protocol::from_caf(failure)); });
  return known;
}

core::result<head_actors> start_head(caf::actor_system& system, const node_parts& parts) {
  if (auto good = policy::scheduling::make_core(parts.head->scheduler.core); !good) return core::fail(good.error());
  const auto admission = core::random_secret_hex();
  auto head = spawn_head(system, parts, admission);
  if (auto known = wait_for_models(system, head.weight_store); !known) return core::fail("catalogue", known.error());
  std::vector<std::string> nodes;
  for (const auto& node : parts.head->directory.nodes) nodes.push_back(node.name);
  auto door = open_door(system, *parts.through, parts.head->listen, nodes, head.directory, admission);
  if (!door) return core::fail(door.error());
  head.door = std::move(*door);
  return head;
}

// Callers before the called: what stops first may still be answered by what stops later.
std::vector<std::vector<caf::actor>> stop_order(const node_actors& node,
                                                const std::vector<protocol::joining_device>& devices) {
  std::vector<std::vector<caf::actor>> groups(3);
  for (const auto& device : devices) groups[1].push_back(caf::actor_cast<caf::actor>(device.worker));
  if (!node.head) return groups;
  for (const auto& [name, handle] : node.head->tenants) groups[0].push_back(caf::actor_cast<caf::actor>(handle));
  groups[0].push_back(caf::actor_cast<caf::actor>(node.head->scheduler));
  groups[2].push_back(caf::actor_cast<caf::actor>(node.head->weight_store));
  groups[2].push_back(caf::actor_cast<caf::actor>(node.head->directory));
  groups[2].push_back(caf::actor_cast<caf::actor>(node.head->ledger));
  return groups;
}

} // namespace

head_actors spawn_head(caf::actor_system& system, const node_parts& parts, const std::string& admission) {
  head_actors head;
  head.scheduler = spawn_scheduler(system, parts);
  for (uint32_t i = 0; i < parts.head->tenants.size(); ++i)
    head.tenants.emplace_back(parts.head->tenants[i].name, spawn_tenant(system, parts, i, head.scheduler));
  head.weight_store = spawn_weight_store(system, parts, head);
  head.ledger = system.spawn<actor_from_state<ledger>>(ledger_options{.metrics = parts.metrics});
  head.directory = spawn_directory(system, parts, head, admission);
  head.entrance =
      system.spawn<actor_from_state<entrance>>(entrance_options{parts.address.node, head.directory, admission});
  return head;
}

node_actors spawn_node(caf::actor_system& system, const node_parts& parts, std::optional<head_actors> head,
                       head_reacher reach_head) {
  node_actors node;
  node.head = std::move(head);
  supervisor_options options;
  options.secret = parts.secret;
  options.peer = to_row(parts.address);
  options.pid = parts.pid;
  options.roles = parts.roles;
  for (const auto& device : parts.devices) {
    options.devices.push_back({device.name, system.spawn<actor_from_state<gpu_worker>>(gpu_worker_options{
                                                device.name, device.device, device.runner, parts.environment})});
  }
  for (const auto& device : options.devices) node.workers.push_back(device.worker);
  options.reach_head = std::move(reach_head);
  options.connect_timeout_us = parts.connect_timeout_us;
  options.children = stop_order(node, options.devices);
  options.on_joined = parts.on_joined;
  options.on_peer_lost = parts.on_peer_lost;
  options.on_fatal = parts.on_fatal;
  node.supervisor = system.spawn<actor_from_state<supervisor>>(std::move(options));
  return node;
}

core::result<node_actors> start_node(caf::actor_system& system, const node_parts& parts) {
  if (!parts.head)
    return spawn_node(system, parts, std::nullopt,
                      by_connection(system, *parts.through, parts.find_head, parts.connect_timeout_us));
  auto head = start_head(system, parts);
  if (!head) return core::fail(head.error());
  auto own = [entrance = caf::actor_cast<caf::strong_actor_ptr>(head->entrance)](const connected& done) {
    done(entrance);
  };
  return spawn_node(system, parts, std::move(*head), std::move(own));
}

} // namespace fastptm::actors
