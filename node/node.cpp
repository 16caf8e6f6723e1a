// The composition root: read top to bottom, it shows every component of a node and who depends on whom.
#include "node/node.hpp"

#include <atomic>
#include <optional>

#include <fmt/format.h>
#include <unistd.h>

#include "actors/start_node.hpp"
#include "actors/system_config.hpp"
#include "control/tunnels.hpp"
#include "core/log.hpp"
#include "core/metrics.hpp"
#include "core/network_address.hpp"
#include "node/calibration.hpp"
#include "node/node_credentials.hpp"
#include "node/node_record.hpp"
#include "node/parts.hpp"
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

rpc::bridge_targets targets_of(const actors::head_actors& head) {
  rpc::bridge_targets out;
  for (const auto& [name, handle] : head.tenants) out.tenants.emplace(name, handle);
  out.scheduler = head.scheduler;
  out.directory = head.directory;
  out.ledger = head.ledger;
  out.weight_store = head.weight_store;
  return out;
}

// Everything that a node has, made from top to bottom by the steps of run(), and given back in the other direction.
class running_node {
public:
  running_node(const cluster_config& config, const node_config& named, readiness_reporter& reporter, own_log& log)
      : config_(config), self_(named), reporter_(reporter), log_(log) {}

  core::result<void> run(const std::filesystem::path& state);

private:
  // -- the steps ------------------------------------------------------------------------------------------------------
  core::result<void> take_place(const std::filesystem::path& state);
  core::result<void> prove_ourselves();
  core::result<void> make_memory();
  void fill_environment();
  core::result<void> start_actors();
  core::result<void> open_face();
  core::result<void> serve();
  void stop_in_order();

  actors::node_parts parts_of_actors();
  void stop_actors();

  const cluster_config& config_;
  node_config self_; // with its address resolved
  readiness_reporter& reporter_;
  own_log& log_;

  // -- the place of this node -----------------------------------------------------------------------------------------
  stop_signal stop_; // before the first thread
  std::optional<state_folder> folder_;
  std::optional<file_lock> lock_;
  std::string secret_;

  // -- memory and the ways to it --------------------------------------------------------------------------------------
  core::metrics_registry metrics_;
  const core::monotonic_clock clock_;
  std::unique_ptr<transports> ways_;
  std::unique_ptr<storage> kept_; // of a store
  std::vector<owned_device> devices_;
  std::optional<weights::verifier> checker_;
  std::optional<weights::scrubber> scrubber_; // ends after the actors, before their system
  actors::loading_environment environment_;

  // -- the runtime ----------------------------------------------------------------------------------------------------
  std::unique_ptr<control::tunnels> through_;
  std::atomic<bool> joined_ = false;
  std::optional<actors::system_config> settings_;
  std::optional<caf::actor_system> system_;
  std::optional<actors::node_actors> actors_;

  // -- the outside face -----------------------------------------------------------------------------------------------
  std::unique_ptr<rpc::front_end> face_; // of the head
};

core::result<void> running_node::run(const std::filesystem::path& state) {
  if (auto done = take_place(state); !done) return done;
  if (auto done = make_memory(); !done) return done;
  fill_environment();
  if (auto done = start_actors(); !done) return done;
  auto ended = open_face();
  if (ended) ended = serve();
  if (!ended) reporter_.failed(ended.error().message);
  core::log::info("node", "stopping", "{}", ended ? "asked to stop" : ended.error().message);
  stop_in_order();
  return ended;
}

core::result<void> running_node::take_place(const std::filesystem::path& state) {
  auto folder = state_folder::open(state);
  if (!folder) return core::fail(folder.error());
  folder_ = std::move(*folder);
  auto lock = file_lock::take(folder_->run() / (self_.name + ".lock"), ended_before_us);
  if (!lock) return core::fail(fmt::format("node '{}' already runs here", self_.name), lock.error());
  lock_.emplace(std::move(*lock));
  lock_->own();
  auto secret = folder_->cluster_secret();
  if (!secret) return core::fail(secret.error());
  secret_ = std::move(*secret);
  if (auto done = prove_ourselves(); !done) return done;
  if (auto enough = check_host(needs_of(config_, self_)); !enough)
    return core::fail(fmt::format("node '{}'", self_.name), enough.error());
  auto resolved = with_own_address(self_);
  if (!resolved) return core::fail(resolved.error());
  self_ = std::move(*resolved);
  return {};
}

core::result<void> running_node::prove_ourselves() {
  const auto own = credentials_of(*folder_, self_.name);
  if (!own) return core::fail(own.error());
  auto started = control::tunnels::start(*own, &metrics_);
  if (!started) return core::fail(started.error());
  through_ = std::move(*started);
  return {};
}

core::result<void> running_node::make_memory() {
  auto ways = transports::create(config_, self_, secret_, metrics_);
  if (!ways) return core::fail(ways.error());
  ways_ = std::move(*ways);
  if (self_.store) {
    auto opened = storage::open(folder_->store(), config_, self_, ways_->exports());
    if (!opened) return core::fail(opened.error());
    kept_ = std::move(*opened);
  }
  auto devices = make_devices(self_);
  if (!devices) return core::fail(devices.error());
  devices_ = std::move(*devices);
  checker_.emplace(config_.transfers.verify_threads);
  scrubber_.emplace(weights::scrubber_options{uint64_t{config_.transfers.scrub_mib_per_second} << 20}, ways_->exports(),
                    clock_);
  if (!devices_.empty()) scrubber_->start();
  return {};
}

// Everything of it outlives the actors.
void running_node::fill_environment() {
  environment_.boot_id = ways_->address().boot_id;
  environment_.fetcher_to = [this](const transport::peer_address& peer) { return ways_->fetcher_to(peer); };
  environment_.exporter = &ways_->exports();
  environment_.checker = &*checker_;
  environment_.scrubber = &*scrubber_;
  environment_.clock = &clock_;
  environment_.allowed = allowed_of(config_, self_);
}

actors::node_parts running_node::parts_of_actors() {
  actors::node_parts out;
  out.secret = secret_;
  out.address = ways_->address();
  out.pid = static_cast<uint32_t>(::getpid());
  out.roles = self_.roles();
  out.environment = &environment_;
  for (const auto& each : devices_) out.devices.push_back({each.name, each.device.get(), each.runner.get()});
  if (self_.head) {
    out.head = head_parts_of(config_, self_, *kept_);
    out.head->directory.links = calibrate(folder_->store(), kept_->cache().disk_path(),
                                          kept_->cache().slab().memory.slice(0, kept_->cache().present_bytes()));
    begin_with(out.head->directory.links, out.head->scheduler.core);
  }
  out.through = through_.get();
  out.find_head = head_finder(config_, *folder_);
  out.connect_timeout_us = config_.liveness.connect_timeout_us;
  out.metrics = &metrics_;
  out.on_joined = [this] {
    joined_ = true;
    stop_.nudge();
  };
  out.on_peer_lost = [this](const std::string& node, uint64_t incarnation) { ways_->forget(node, incarnation); };
  out.on_fatal = [this](const core::error& why) { stop_.fail(why); };
  return out;
}

core::result<void> running_node::start_actors() {
  const auto parts = parts_of_actors();
  settings_.emplace(actor_threads);
  system_.emplace(*settings_);
  auto started = actors::start_node(*system_, parts);
  if (started) {
    actors_ = std::move(*started);
    return {};
  }
  reporter_.failed(started.error().message);
  core::log::error("node", "not-started", "{}", started.error().message);
  // Actors that were spawned before the failing one may keep the system from ending.
  const watchdog limit(failed_start_us);
  system_.reset();
  return core::fail(started.error());
}

core::result<void> running_node::open_face() {
  node_record record{self_.name, ::getpid(), self_.roles(), {}, {}, {}, {}};
  if (self_.head) {
    record.control = core::to_text({self_.address, actors_->head->door->port()});
    auto wanted = front_end_options_of(config_, *folder_);
    if (!wanted) return core::fail(wanted.error());
    auto started = rpc::front_end::start(*system_, targets_of(*actors_->head), std::move(*wanted), metrics_);
    if (!started) return core::fail(started.error());
    face_ = std::move(*started);
    record.gateway = face_->addresses().gateway;
    record.gateway_tls = face_->addresses().gateway_tls;
    record.admin = face_->addresses().admin;
    record.http = face_->addresses().http;
  }
  return write_record(folder_->run(), record);
}

// Until something ends it.
core::result<void> running_node::serve() {
  return stop_.wait(
      [&] {
        if (!joined_) return;
        reporter_.ready();
        for (const auto& each : devices_) each.device->warm(0);
      },
      [&] { return log_.on_hang_up(); });
}

void running_node::stop_in_order() {
  const watchdog limit(config_.liveness.shutdown_us);
  face_.reset();
  stop_actors();
  scrubber_.reset();
  actors_.reset();
  system_.reset();
  through_.reset();
  core::log::info("node", "stopped", "in order");
}

// The supervisor stops its children in order and ends last.
void running_node::stop_actors() {
  caf::scoped_actor self(*system_);
  self->monitor(actors_->supervisor);
  caf::anon_send<caf::message_priority::high>(actors_->supervisor, protocol::stop_atom::value);
  self->receive([](const caf::down_msg&) {});
}

} // namespace

core::result<void> run_node(const node_options& options, readiness_reporter& reporter, own_log& log) {
  const auto* named = options.config.find_node(options.name);
  if (named == nullptr) {
    return core::fail(core::errc::not_found,
                      fmt::format("the configuration has no node '{}'", core::printable(options.name)));
  }
  return running_node(options.config, *named, reporter, log).run(options.state);
}

} // namespace fastptm::node
