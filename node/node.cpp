// The composition root: read top to bottom, it shows every component of a node and who depends on whom.
#include "node/node.hpp"

#include <atomic>
#include <optional>

#include <fmt/format.h>
#include <unistd.h>

#include "actors/start_node.hpp"
#include "actors/system_config.hpp"
#include "core/log.hpp"
#include "core/metrics.hpp"
#include "core/network_address.hpp"
#include "engine/runner.hpp"
#include "gpu/backends.hpp"
#include "node/calibration.hpp"
#include "node/node_record.hpp"
#include "node/process/host_limits.hpp"
#include "node/process/stop_signal.hpp"
#include "node/state_folder.hpp"
#include "node/storage.hpp"
#include "node/transports.hpp"
#include "rpc/front_end.hpp"
#include "weights/load/verifier.hpp"

namespace fastptm::node {

namespace {

// Actors only pass messages on: two threads keep up with the machine, and `sharing` sleeps when idle.
constexpr size_t actor_threads = 2;
constexpr core::duration_us failed_start_us = 200'000;
// The same node of an `up` that was killed takes a moment to give back its memory.
constexpr core::duration_us ended_before_us = 3'000'000;

struct owned_device {
  std::string name; // node/device
  std::unique_ptr<gpu::device> device;
  std::unique_ptr<engine::runner> runner; // destroyed before its device
};

core::result<std::vector<owned_device>> make_devices(const node_config& self) {
  std::vector<owned_device> out;
  for (const auto& each : self.devices) {
    const auto name = self.name + "/" + each.name;
    auto device =
        gpu::make_device(each.kind, {.name = each.name, .arena_bytes = each.arena_bytes, .threads = each.threads});
    if (!device) return core::fail("device " + name, device.error());
    core::log::info("node", "device-ready", "{}: {} {}, {} MiB arena, {} threads", name, each.kind,
                    (*device)->info().isa, each.arena_bytes >> 20, each.threads);
    auto runner = std::make_unique<engine::runner>(**device);
    out.push_back({name, std::move(*device), std::move(runner)});
  }
  return out;
}

// The address as a number of this machine: what sockets are bound to and peers are told.
core::result<node_config> with_own_address(node_config self) {
  auto found = core::resolve_to_listen(self.address);
  if (!found) return core::fail(fmt::format("node '{}'", self.name), found.error());
  self.address = std::move(*found);
  return self;
}

policy::allowed_sources allowed_of(const cluster_config& config, const node_config& self) {
  std::vector<policy::source_kind> kinds;
  for (const auto& name : self.sources.empty() ? config.transfers.sources : self.sources) {
    if (const auto kind = policy::source_kind_from(name)) kinds.push_back(*kind);
  }
  return policy::allowed_sources(kinds);
}

actors::head_parts head_parts_of(const cluster_config& config, const node_config& self, storage& kept) {
  actors::head_parts out;
  out.listen = {self.address, self.control_port};
  for (const auto& node : config.nodes) out.directory.nodes.push_back({node.name, node.roles()});
  for (const auto& tenant : config.tenants) {
    out.tenants.push_back(
        {tenant.name,
         tenant.share,
         tenant.max_models,
         {.in_flight = tenant.max_in_flight, .longest_deadline_us = config.scheduling.max_deadline_us},
         tenant.late == "refuse" ? policy::scheduling::late_rule::refuse : policy::scheduling::late_rule::serve});
  }
  out.default_deadline_us = config.scheduling.default_deadline_us;
  out.directory.heartbeat_us = config.liveness.heartbeat_us;
  out.directory.lease_us = config.liveness.lease_us;
  out.scheduler.core = scheduling_options(config.scheduling);
  out.scheduler.queued = config.scheduling.max_queued;
  out.scheduler.load_timeout_us = config.transfers.load_timeout_us;
  out.store.store = &kept.objects();
  out.store.catalogue = &kept.models();
  out.store.cache = &kept.cache();
  out.store.slab = kept.slab();
  out.store.largest_arena_bytes = config.largest_arena_bytes();
  return out;
}

// Where the head listens: as configured, or as it says in the state folder of the same host.
actors::endpoint_finder head_finder(const cluster_config& config, const state_folder& folder) {
  const auto& head = config.head();
  return [address = head.address, port = head.control_port, run = folder.run()]() -> core::result<actors::endpoint> {
    if (port != 0) return actors::endpoint{address, port};
    auto record = find_head(run);
    if (!record) return core::fail(record.error());
    auto parsed = core::parse_network_address(record->control);
    if (!parsed) return core::fail(parsed.error());
    return actors::endpoint{parsed->host, parsed->port};
  };
}

core::result<rpc::front_end_options> front_end_options_of(const cluster_config& config, const state_folder& folder) {
  const auto& gateway = config.gateway;
  rpc::front_end_options out;
  auto address = core::resolve_to_listen(gateway.address), http_address = core::resolve_to_listen(gateway.http_address);
  if (!address) return core::fail("gateway", address.error());
  if (!http_address) return core::fail("gateway.httpAddress", http_address.error());
  if (auto loopback = core::resolve_to_listen("127.0.0.1"); !loopback)
    return core::fail("administration", loopback.error());
  out.address = *address;
  out.http_address = *http_address;
  out.port = gateway.port;
  out.admin_port = gateway.admin_port;
  out.http_port = gateway.http_port;
  out.limits = {gateway.max_connections, gateway.login_timeout_us, gateway.max_message_bytes, gateway.flow_limit_bytes};
  for (const auto& tenant : config.tenants) {
    auto token = folder.tenant_token(tenant.name);
    if (!token) return core::fail(token.error());
    out.gateway.tokens.emplace(tenant.name, *token);
    out.admin.tenants.push_back(tenant.name);
  }
  out.gateway.call_timeout_us = gateway.call_timeout_us;
  out.gateway.default_deadline_us = config.scheduling.default_deadline_us;
  out.gateway.max_deadline_us = config.scheduling.max_deadline_us;
  out.gateway.max_text_bytes = gateway.max_text_bytes;
  out.gateway.max_message_bytes = gateway.max_message_bytes;
  out.gateway.tokenizer_cache = gateway.tokenizer_cache;
  out.gateway.spool = {folder.spool(), gateway.max_upload_bytes, gateway.max_uploads};
  auto admin_token = folder.admin_token();
  if (!admin_token) return core::fail(admin_token.error());
  out.admin.token = *admin_token;
  out.admin.call_timeout_us = gateway.call_timeout_us;
  return out;
}

rpc::bridge_targets targets_of(const actors::head_actors& head) {
  rpc::bridge_targets out;
  for (const auto& [name, handle] : head.tenants) out.tenants.emplace(name, handle);
  out.scheduler = head.scheduler;
  out.directory = head.directory;
  out.weight_store = head.weight_store;
  return out;
}

// The supervisor stops its children in order and ends last.
void stop_actors(caf::actor_system& system, actors::node_actors& node) {
  caf::scoped_actor self(system);
  self->monitor(node.supervisor);
  caf::anon_send<caf::message_priority::high>(node.supervisor, protocol::stop_atom::value);
  self->receive([](const caf::down_msg&) {});
}

} // namespace

core::result<void> run_node(const node_options& options, readiness_reporter& reporter, own_log& log) {
  const auto& config = options.config;
  const auto* named = config.find_node(options.name);
  if (named == nullptr) {
    return core::fail(core::errc::not_found,
                      fmt::format("the configuration has no node '{}'", core::printable(options.name)));
  }
  stop_signal stop; // before the first thread

  // -- the place of this node -----------------------------------------------------------------------------------------
  auto folder = state_folder::open(options.state);
  if (!folder) return core::fail(folder.error());
  auto lock = file_lock::take(folder->run() / (named->name + ".lock"), ended_before_us);
  if (!lock) return core::fail(fmt::format("node '{}' already runs here", named->name), lock.error());
  lock->own();
  const auto secret = folder->cluster_secret();
  if (!secret) return core::fail(secret.error());
  if (auto enough = check_host(needs_of(config, *named)); !enough)
    return core::fail(fmt::format("node '{}'", named->name), enough.error());
  auto resolved = with_own_address(*named);
  if (!resolved) return core::fail(resolved.error());
  const auto* self = &*resolved;
  core::metrics_registry metrics;
  const core::monotonic_clock clock;

  // -- memory and the ways to it --------------------------------------------------------------------------------------
  auto ways = transports::create(config, *self, *secret);
  if (!ways) return core::fail(ways.error());
  std::unique_ptr<storage> kept;
  if (self->store) {
    auto opened = storage::open(folder->store(), config, *self, (*ways)->exports());
    if (!opened) return core::fail(opened.error());
    kept = std::move(*opened);
  }
  auto devices = make_devices(*self);
  if (!devices) return core::fail(devices.error());
  weights::verifier checker(config.transfers.verify_threads);

  actors::loading_environment environment;
  environment.node = self->name;
  environment.boot_id = (*ways)->address().boot_id;
  environment.fetcher_to = [&ways](const transport::peer_address& peer) { return (*ways)->fetcher_to(peer); };
  environment.exporter = &(*ways)->exports();
  environment.checker = &checker;
  environment.clock = &clock;
  environment.allowed = allowed_of(config, *self);

  // -- the runtime ----------------------------------------------------------------------------------------------------
  std::atomic<bool> joined = false;
  actors::node_parts parts;
  parts.secret = *secret;
  parts.address = (*ways)->address();
  parts.pid = static_cast<uint32_t>(::getpid());
  parts.roles = self->roles();
  parts.environment = &environment;
  for (const auto& each : *devices) parts.devices.push_back({each.name, each.device.get(), each.runner.get()});
  if (self->head) {
    parts.head = head_parts_of(config, *self, *kept);
    parts.head->directory.links = calibrate(folder->store(), kept->cache().disk_path(),
                                            kept->cache().slab().memory.slice(0, kept->cache().present_bytes()));
  }
  parts.find_head = head_finder(config, *folder);
  parts.connect_timeout_us = config.liveness.connect_timeout_us;
  parts.metrics = &metrics;
  parts.on_joined = [&] {
    joined = true;
    stop.nudge();
  };
  parts.on_peer_lost = [&](const std::string& node, uint64_t) { (*ways)->forget(node); };
  parts.on_fatal = [&](const core::error& why) { stop.fail(why); };

  actors::system_config settings(actor_threads);
  std::optional<caf::actor_system> system(std::in_place, settings);
  auto node = actors::start_node(*system, parts);
  if (!node) {
    reporter.failed(node.error().message);
    core::log::error("node", "not-started", "{}", node.error().message);
    // Actors that were spawned before the failing one may keep the system from ending.
    const watchdog limit(failed_start_us);
    system.reset();
    return core::fail(node.error());
  }

  // -- the outside face -----------------------------------------------------------------------------------------------
  node_record record{self->name, ::getpid(), self->roles(), {}, {}, {}, {}};
  std::unique_ptr<rpc::front_end> face;
  core::result<void> ended;
  if (self->head) {
    record.control = core::to_text({self->address, node->head->control_port});
    auto wanted = front_end_options_of(config, *folder);
    auto started = wanted ? rpc::front_end::start(*system, targets_of(*node->head), std::move(*wanted), metrics)
                          : core::result<std::unique_ptr<rpc::front_end>>(core::fail(wanted.error()));
    if (started) {
      face = std::move(*started);
      record.gateway = face->addresses().gateway;
      record.admin = face->addresses().admin;
      record.http = face->addresses().http;
    } else {
      ended = core::fail(started.error());
    }
  }
  if (ended) ended = write_record(folder->run(), record);

  // -- until something ends it ----------------------------------------------------------------------------------------
  if (ended) {
    ended = stop.wait(
        [&] {
          if (!joined) return;
          reporter.ready();
          for (const auto& each : *devices) each.device->warm();
        },
        [&] { return log.on_hang_up(); });
  }
  if (!ended) reporter.failed(ended.error().message);
  core::log::info("node", "stopping", "{}", ended ? "asked to stop" : ended.error().message);

  const watchdog limit(config.liveness.shutdown_us);
  face.reset();
  stop_actors(*system, *node);
  *node = {};
  parts = {};
  system.reset();
  core::log::info("node", "stopped", "in order");
  return ended;
}

} // namespace fastptm::node
