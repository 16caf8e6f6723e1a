// Puts nodes together and lets time pass.
#include "sim/world/cluster.hpp"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "actors/actor_from_state.hpp"

namespace fastptm::sim::world {

namespace {

using core::duration_us;
using core::time_us;

constexpr time_us never_us = std::numeric_limits<time_us>::max();
constexpr duration_us load_timeout_us = 5 * second_us;
constexpr uint64_t scrubbed_bps = 110 << 20;
constexpr const char* secret = "secret";
constexpr duration_us short_patience_us = second_us / 4; // with a chunk, whatever else its link carries
// Longer than the head ever stands still: its own looks are never late then.
constexpr duration_us unnoticed_us = 3'600 * second_us;

bool changes_its_disk(const fault_counts& faults) {
  return faults.object_rots + faults.manifest_rots + faults.publications > 0;
}

bool needs_wires(const fault_counts& faults) {
  return faults.late_wires + faults.stuck_wires + faults.broken_wires + faults.manifest_flips > 0;
}

transport_lacks transport_of(const planted& lacks) {
  transport_lacks of;
  of.forgets_wrong_chunks = lacks.news_of_wrong_chunks;
  of.closes_when_late = lacks.shared_patience;
  of.retries_at_once = lacks.pauses_when_busy;
  if (lacks.progress) of.longest_us = load_timeout_us;
  return of;
}

} // namespace

cluster::cluster(const scenario& what, uint64_t seed, model_shelf& models, const std::vector<size_t>& without)
    : what_(what), models_(models), disk_(changes_its_disk(what.faults) ? own_disk::make(models).value() : nullptr),
      random_(seed), virtual_(seed ^ 0x5e), network_(virtual_.clock(), seed ^ 0x2e7, transport_of(what.lacks)),
      wires_(needs_wires(what.faults)
                 ? std::make_unique<virtual_wires>(virtual_.system(), virtual_.clock(), seed ^ 0x31e5)
                 : nullptr) {
  result_.seed = seed;
  if (wires_) wires_->hides_damage = what.lacks.digests_of_manifests;
  const auto planned = plan_faults(what, seed);
  result_.planned_faults = planned.size();
  for (size_t i = 0; i < planned.size(); ++i) {
    if (std::ranges::find(without, i) != without.end()) continue;
    result_.faults.push_back(to_text(planned[i], what.workers));
    faults_.push_back(planned[i]);
  }
  const auto listed = models_.listed().first(std::min<size_t>(what.models, models_.listed().size()));
  for (const auto& model : what.asked_models > 0 ? listed.first(what.asked_models) : listed)
    asked_models_.push_back(&model);
}

outcome cluster::run() {
  start();
  plan_requests();
  for (const auto& fault : faults_) at(fault.at_us, [this, fault] { begin(fault); });
  run_until(start_us_ + what_.duration_us + calm_us);
  look_at_the_end();
  stop();
  result_.virtual_us = virtual_.now_us() - start_us_;
  result_.messages = virtual_.messages();
  result_.transcript = virtual_.transcript();
  return std::move(result_);
}

// -- composing --------------------------------------------------------------------------------------------------------

std::string cluster::node_name(uint32_t number) const {
  return number < what_.workers ? fmt::format("worker-{}", number) : "head";
}

world_node* cluster::find(const std::string& name) {
  const auto found = nodes_.find(name);
  return found == nodes_.end() ? nullptr : found->second.get();
}

world_node& cluster::make_node(const std::string& name) {
  auto made = std::make_unique<world_node>();
  made->name = name;
  made->incarnation = ++last_incarnation_;
  auto& way = network_.add_node(name, made->incarnation, made->exports);
  network_.link_of(name).rate_bps = what_.link_bps;
  const auto bytes_per_s = what_.lacks.checks_of_memory ? 0 : scrubbed_bps;
  made->scrubber =
      std::make_unique<weights::scrubber>(weights::scrubber_options{bytes_per_s}, made->exports, virtual_.clock());
  auto& environment = made->environment;
  environment.boot_id = name == "head" ? "head's" : "others'"; // bytes go over the network
  environment.fetcher_to = [&way](const transport::peer_address&) { return &way; };
  environment.exporter = &made->exports;
  environment.checker = &made->checker;
  environment.scrubber = made->scrubber.get();
  environment.clock = &virtual_.clock();
  if (what_.lacks.shared_patience) environment.loader.plan.late_us = short_patience_us;
  auto& parts = made->parts;
  parts.secret = secret;
  parts.address = {name, made->incarnation, environment.boot_id, "", name, 1};
  parts.pid = 1;
  parts.connect_timeout_us = second_us;
  parts.environment = &environment;
  parts.on_joined = [this, node = made.get()] { on_joined(*node); };
  parts.on_fatal = [this, name](const core::error& why) { violated(name + " cannot go on: " + why.message); };
  return *(nodes_[name] = std::move(made));
}

void cluster::start() {
  start_head();
  for (uint32_t i = 0; i < what_.workers; ++i) start_worker(node_name(i));
  client_ = virtual_.system().spawn([this](caf::event_based_actor* self) -> caf::behavior {
    return {[this, self](uint64_t request) { send_request(self, request); }};
  });
  settle();
}

void cluster::start_head() {
  auto& node = make_node("head");
  node.disk = std::make_unique<virtual_disk>(virtual_.clock(), models_.objects);
  node.disk->finds_all_good = what_.lacks.checks_of_copies;
  set_disk();
  node.disk->when_busy = [this, of = &node] { busy_[of->incarnation] = of; };
  node.cache = weights::host_cache::create(what_.cache_bytes, *node.disk).value();
  actors::head_parts head;
  head.directory.nodes = {{"head", {"head", "store"}}};
  for (uint32_t i = 0; i < what_.workers; ++i) head.directory.nodes.push_back({node_name(i), {"worker"}});
  head.directory.heartbeat_us = second_us / 4;
  head.directory.lease_us = second_us;
  if (what_.lacks.excuses_of_the_head) head.directory.late_look_us = unnoticed_us;
  head.tenants = {{"acme", 1, 1'000, {}}};
  head.default_deadline_us = deadline_us;
  head.scheduler.load_timeout_us = load_timeout_us;
  head.scheduler.core.strategy = what_.strategy;
  head.store.store = &store();
  head.store.catalogue = disk_ ? &disk_->catalogue : &models_.catalogue;
  head.store.cache = node.cache.get();
  head.store.publishes_in_place = true;
  const auto slab = node.exports.add(node.cache->slab());
  head.store.slab = {slab.region, slab.generation};
  node.parts.head = std::move(head);
  virtual_.on_node("head", [&] {
    auto spawned = actors::spawn_head(virtual_.system(), node.parts, admission_);
    node.actors = actors::spawn_node(virtual_.system(), node.parts, std::move(spawned), way_to_head("head"));
  });
}

void cluster::start_worker(const std::string& name) {
  auto& node = make_node(name);
  node.device = std::make_unique<virtual_device>("host0", what_.arena_bytes);
  node.runner = std::make_unique<virtual_runner>(virtual_.clock(), what_.run_us, !what_.lacks.waiting_for_shards);
  node.runner->when_busy = [this, of = &node] { busy_[of->incarnation] = of; };
  node.parts.devices = {{name + "/host0", node.device.get(), node.runner.get()}};
  virtual_.on_node(
      name, [&] { node.actors = actors::spawn_node(virtual_.system(), node.parts, std::nullopt, way_to_head(name)); });
  after(0, [this, name, incarnation = node.incarnation] { scrub(name, incarnation); });
}

// Each attempt finds an entrance of its own, as each connection does.
actors::head_reacher cluster::way_to_head(const std::string& node) {
  return [this, node](const actors::connected& done) {
    const auto* to = head();
    const auto directory = to != nullptr && to->actors.head ? to->actors.head->directory : protocol::directory_actor();
    if (!directory || unreachable_.contains(node))
      return done(core::fail(core::errc::unavailable, "the head cannot be reached"));
    const auto entrance = virtual_.on_node("head", [&] {
      return virtual_.system().spawn<actors::actor_from_state<actors::entrance>>(
          actors::entrance_options{node, directory, admission_});
    });
    const auto found = caf::actor_cast<caf::strong_actor_ptr>(entrance);
    done(wires_ && node != "head" ? wires_->stand_in(node, "head", found) : found);
  };
}

// Whoever has been in the cluster before was lost to it: there must have been a reason.
void cluster::on_joined(world_node& node) {
  constexpr duration_us noticed_us = 6 * second_us; // at the latest
  const auto now = virtual_.now_us();
  if (++node.joins > 1 && !life_troubles_.were(node.name, now - noticed_us, now) &&
      !life_troubles_.were("head", now - noticed_us, now))
    violated(node.name + " was lost, though nothing had happened to it or its connection");
}

// -- time -------------------------------------------------------------------------------------------------------------

void cluster::at(time_us since_start_us, std::function<void()> what) {
  agenda_.emplace(start_us_ + since_start_us, std::move(what));
}

void cluster::after(duration_us pause_us, std::function<void()> what) {
  agenda_.emplace(virtual_.now_us() + pause_us, std::move(what));
}

void cluster::run_until(time_us end_us) {
  for (;;) {
    settle();
    const auto next = next_us();
    if (next > end_us) break;
    virtual_.advance_to(next);
    do_what_is_due();
  }
  virtual_.advance_to(end_us);
  settle();
}

// All that can happen without time passing.
void cluster::settle() {
  for (bool more = true; more;) {
    more = false;
    while (virtual_.run_one()) more = true;
    more = progress() || more;
  }
}

bool cluster::progress() {
  bool any = network_.progress() > 0;
  if (wires_) any = wires_->progress() || any;
  for (auto next = busy_.begin(); next != busy_.end();) {
    auto& node = *next->second;
    if (!node.is_frozen) {
      if (node.disk) any = node.disk->progress() || any;
      if (node.runner) any = node.runner->progress() || any;
    }
    next = node.is_idle() ? busy_.erase(next) : std::next(next);
  }
  return any;
}

time_us cluster::next_us() {
  auto next = std::min(virtual_.next_timer_us().value_or(never_us), network_.next_due_us().value_or(never_us));
  if (wires_) next = std::min(next, wires_->next_due_us().value_or(never_us));
  if (!agenda_.empty()) next = std::min(next, agenda_.begin()->first);
  for (const auto& [incarnation, node] : busy_) {
    if (node->is_frozen) continue;
    if (node->disk) next = std::min(next, node->disk->next_due_us().value_or(never_us));
    if (node->runner) next = std::min(next, node->runner->next_due_us().value_or(never_us));
  }
  return std::max(next, virtual_.now_us());
}

void cluster::do_what_is_due() {
  const auto now = virtual_.now_us();
  while (!agenda_.empty() && agenda_.begin()->first <= now) {
    const auto what = std::move(agenda_.begin()->second);
    agenda_.erase(agenda_.begin());
    what();
  }
}

// In place of the scrubber's thread, as long as this life of the node lasts.
void cluster::scrub(const std::string& name, uint64_t incarnation) {
  auto* node = find(name);
  if (node == nullptr || node->incarnation != incarnation) return;
  const auto now = virtual_.now_us();
  auto next = now + second_us / 10;
  if (!node->is_frozen) {
    next = node->scrubber->check();
    next = next == never_us ? now + second_us : std::max(next, now + 1);
  }
  after(next - now, [this, name, incarnation] { scrub(name, incarnation); });
}

} // namespace fastptm::sim::world
