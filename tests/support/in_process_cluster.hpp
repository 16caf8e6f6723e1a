// A whole cluster in one process: real actors, middleman, store, devices, engine; only the transport is a double.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/start_node.hpp"
#include "actors/system_config.hpp"
#include "core/check.hpp"
#include "core/mutex.hpp"
#include "engine/runner.hpp"
#include "gpu/backends.hpp"
#include "protocol/errors.hpp"
#include "tests/support/memory_network.hpp"
#include "tests/support/until.hpp"
#include "weights/import/synthetic.hpp"
#include "weights/store/disk_reader.hpp"

namespace fastptm::tests {

// Nodes "head", "worker-0", "worker-1"; one tenant "acme". Not for use by several threads.
class in_process_cluster {
public:
  static constexpr uint64_t arena_bytes = 8 << 20;

  static weights::synthetic_shape tiny_shape() { return weights::synthetic_shape_named("tiny").value(); }

  explicit in_process_cluster(std::filesystem::path folder) : folder_(std::move(folder)) {}
  ~in_process_cluster() {
    for (const auto* name : {"worker-0", "worker-1", "head"}) stop(name);
  }

  memory_network& network() { return network_; }
  uint16_t control_port() const { return port_; }
  const actors::head_actors& head() { return *nodes_.at("head")->actors.head; }

  void start_head() {
    auto& node = make("head");
    node.objects = std::make_unique<weights::content_store>(weights::content_store::open(folder_ / "store").value());
    node.models = std::make_unique<weights::catalogue>(weights::catalogue::open(folder_ / "catalogue.sqlite").value());
    node.disk = std::make_unique<weights::disk_reader>();
    node.cache = weights::host_cache::create(arena_bytes, *node.disk).value();
    actors::head_parts head;
    head.listen = {"127.0.0.1", port_};
    head.directory.nodes = {{"head", {"head", "store"}}, {"worker-0", {"worker"}}, {"worker-1", {"worker"}}};
    head.directory.heartbeat_us = 250'000;
    head.directory.lease_us = 1'000'000;
    head.tenants = {{"acme", 1, 100, {}}};
    head.default_deadline_us = 3'000'000;
    head.store.store = node.objects.get();
    head.store.catalogue = node.models.get();
    head.store.cache = node.cache.get();
    const auto slab = node.exports.add(node.cache->slab());
    head.store.slab = {slab.region, slab.generation};
    node.parts.head = head;
    start(node);
    port_ = node.actors.head->door->port(); // the next life listens there, too
  }

  // As a fault of the head's memory would: in whatever the host cache has there. The slab is filled from its start.
  void flip_a_byte_of_the_cache(uint64_t offset_bytes) {
    nodes_.at("head")->cache->slab().memory.address[offset_bytes] ^= std::byte{1};
  }

  void start_worker(const std::string& name, const std::string& secret = "secret") {
    auto& node = make(name);
    node.device = gpu::make_device("host", {.name = "host0", .arena_bytes = arena_bytes, .threads = 1}).value();
    node.runner = std::make_unique<engine::runner>(*node.device);
    node.parts.secret = secret;
    node.parts.devices = {{name + "/host0", node.device.get(), node.runner.get()}};
    start(node);
  }

  // In order; what runs is answered.
  void stop(const std::string& name) {
    const auto found = nodes_.find(name);
    if (found == nodes_.end()) return;
    auto& node = *found->second;
    {
      caf::scoped_actor self{*node.system};
      const auto supervisor = caf::actor_cast<caf::actor>(node.actors.supervisor);
      self->monitor(supervisor);
      caf::anon_send<caf::message_priority::high>(supervisor, protocol::stop_atom_v);
      self->receive([](const caf::down_msg&) {});
    }
    node.actors = {};
    node.parts = {};
    nodes_.erase(found);
  }

  // Asks an actor of the head from outside.
  template <class R, class Handle, class... Xs> core::result<R> ask(const Handle& whom, Xs&&... xs) {
    caf::scoped_actor self{*nodes_.at("head")->system};
    core::result<R> result;
    self->request(whom, std::chrono::seconds(30), std::forward<Xs>(xs)...)
        .receive([&](R& value) { result = std::move(value); },
                 [&](caf::error& failure) { result = core::fail(protocol::from_caf(failure)); });
    return result;
  }

  std::vector<protocol::node_status> nodes() {
    return ask<protocol::node_list>(head().ledger, protocol::nodes_atom_v).value().rows;
  }

  // Waits until these nodes are ready; false after ten seconds.
  bool ready(std::vector<std::string> names) {
    return until([&] {
      size_t found = 0;
      for (const auto& row : nodes())
        for (const auto& name : names) found += row.name == name && row.state == protocol::node_state::ready;
      return found == names.size();
    });
  }

  core::result<protocol::publication> publish(const std::string& name, uint64_t seed,
                                              weights::synthetic_shape shape = tiny_shape()) {
    const auto model = folder_ / ("model-" + name);
    auto written = weights::write_synthetic_model(model, shape, seed);
    if (!written) return core::fail(written.error());
    return ask<protocol::publication>(head().weight_store, protocol::publish_request{"acme", name, model.string()});
  }

  protocol::infer_reply embed(const std::string& model, std::vector<int32_t> ids) {
    const protocol::infer_request request{model, protocol::task_kind::embed, protocol::encode_input(ids, {}),
                                          20'000'000};
    return ask<protocol::infer_reply>(head().tenants[0].second, request).value();
  }

  std::vector<protocol::load_report> loads() {
    return ask<protocol::load_list>(head().ledger, protocol::loads_atom_v, uint32_t{100}, std::string()).value().rows;
  }
  // An answer may come before its load has ended: waits until so many loads have been reported, ten seconds at most.
  std::vector<protocol::load_report> loads(size_t at_least) {
    std::vector<protocol::load_report> found;
    (void)until([&] { // who asks for them counts them
      found = loads();
      return found.size() >= at_least;
    });
    return found;
  }

  void cordon(const std::string& device, bool on) {
    core::check(ask<bool>(head().directory, protocol::cordon_atom_v, device, on).has_value(), "no such device");
  }

  std::optional<core::error> fatal_of(const std::string& name) {
    const core::mutex_lock lock(nodes_.at(name)->mutex);
    return nodes_.at(name)->fatal;
  }

private:
  struct running_node {
    transport::exporter exports;
    std::unique_ptr<weights::content_store> objects;
    std::unique_ptr<weights::catalogue> models;
    std::unique_ptr<weights::host_cache> cache;
    std::unique_ptr<weights::disk_reader> disk; // ends before the cache
    std::unique_ptr<gpu::device> device;
    std::unique_ptr<engine::runner> runner;
    std::unique_ptr<weights::verifier> checker = std::make_unique<weights::verifier>(1);
    std::unique_ptr<weights::scrubber> scrubber;
    actors::loading_environment environment;
    std::unique_ptr<control::tunnels> through;
    actors::system_config settings{2};
    std::unique_ptr<caf::actor_system> system;
    actors::node_parts parts;
    actors::node_actors actors;
    core::mutex mutex; // actors tell, the test asks
    std::optional<core::error> fatal FASTPTM_GUARDED_BY(mutex);
  };

  running_node& make(const std::string& name) {
    auto& made = *(nodes_[name] = std::make_unique<running_node>());
    network_.add_node(name, &made.exports);
    made.environment.boot_id = "this host";
    made.environment.fetcher_to = [this](const transport::peer_address&) { return &network_; };
    made.environment.exporter = &made.exports;
    made.environment.checker = made.checker.get();
    made.environment.clock = &clock_;
    made.scrubber = std::make_unique<weights::scrubber>(weights::scrubber_options{1 << 30}, made.exports, clock_);
    made.environment.scrubber = made.scrubber.get();
    const auto lifetime = control::ten_years_from(control::wall_clock_s());
    made.through = control::tunnels::start(control::issue(authority_, name, lifetime).value(), nullptr).value();
    made.parts.through = made.through.get();
    made.parts.secret = "secret";
    made.parts.address = {name, ++last_incarnation_, "this host", "", "", 0};
    made.parts.pid = 1;
    made.parts.connect_timeout_us = 1'000'000;
    made.parts.environment = &made.environment;
    made.parts.find_head = [this]() -> core::result<actors::endpoint> {
      return actors::endpoint{"127.0.0.1", port_, "head"};
    };
    made.parts.on_fatal = [&made](const core::error& why) {
      const core::mutex_lock lock(made.mutex);
      made.fatal = why;
    };
    return made;
  }

  void start(running_node& of) {
    of.system = std::make_unique<caf::actor_system>(of.settings);
    auto started = actors::start_node(*of.system, of.parts);
    core::check(started.has_value(), "the node does not start");
    of.actors = std::move(*started);
  }

  const std::filesystem::path folder_;
  const core::monotonic_clock clock_;
  const control::authority authority_ = control::make_authority(control::ten_years_from(control::wall_clock_s()));
  uint16_t port_ = 0;
  uint64_t last_incarnation_ = 0;
  memory_network network_;
  std::map<std::string, std::unique_ptr<running_node>> nodes_;
};

} // namespace fastptm::tests
