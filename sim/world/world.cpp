// Composes nodes as node/ does, only of virtual parts; lets time pass; does harm; looks whether everything holds.
#include "sim/world/world.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "actors/actor_from_state.hpp"
#include "core/check.hpp"
#include "gpu/backends.hpp"
#include "models/registry.hpp"
#include "protocol/payload.hpp"
#include "sim/world/fault_plan.hpp"
#include "sim/world/world_node.hpp"
#include "weights/import/synthetic.hpp"
#include "weights/store/publisher.hpp"

namespace fastptm::sim::world {

namespace {

using core::duration_us;
using core::time_us;

constexpr time_us second_us = 1'000'000;
constexpr time_us never_us = std::numeric_limits<time_us>::max();
constexpr duration_us deadline_us = 2 * second_us;
// After the last fault: leases run out, back-offs end, what is resident is gone over twice.
constexpr duration_us calm_us = 25 * second_us;
// An answer at the latest: its deadline and the tenant's patience, however long the head stood still besides.
constexpr duration_us answer_patience_us = deadline_us + 1'500'000;
// Within which memory that changed by itself is found: a round, and the time it takes.
constexpr duration_us scrub_bound_us = 11 * second_us;
constexpr const char* secret = "secret";

} // namespace

// -- the shelf --------------------------------------------------------------------------------------------------------

namespace {

class real_shelf final : public shelf {
public:
  real_shelf(weights::content_store kept, weights::catalogue listed)
      : store(std::move(kept)), catalogue(std::move(listed)) {}

  weights::content_store store;
  weights::catalogue catalogue;
  object_shelf objects;
  std::vector<std::string> names;
  std::map<std::string, std::vector<float>> answers; // right ones
};

core::result<void> publish_one(real_shelf& on, const std::filesystem::path& folder, uint32_t number) {
  const weights::synthetic_shape shape{
      .hidden = 64, .layers = 4, .heads = 4, .intermediate = 256, .vocabulary = 1'000, .positions = 64};
  if (auto written = weights::write_synthetic_model(folder, shape, number + 1); !written)
    return core::fail(written.error());
  weights::publish_request request;
  request.folder = folder;
  request.tenant = "acme";
  request.name = fmt::format("m{}", number);
  auto done = weights::publish(request, on.store, on.catalogue);
  if (!done) return core::fail(done.error());
  std::vector<std::span<const std::byte>> shards;
  for (const auto& shard : done->set.shards)
    shards.emplace_back(on.objects.bytes_of(on.store.object_path(shard.digest)));
  on.names.push_back(done->entry.full_name());
  on.answers[on.names.back()] = answer_of(shards);
  return {};
}

} // namespace

core::result<std::unique_ptr<shelf>> shelf::make(const std::filesystem::path& folder, uint32_t models) {
  auto objects = weights::content_store::open(folder / "store");
  if (!objects) return core::fail(objects.error());
  auto catalogue = weights::catalogue::open(folder / "catalogue.sqlite");
  if (!catalogue) return core::fail(catalogue.error());
  auto made = std::make_unique<real_shelf>(std::move(*objects), std::move(*catalogue));
  for (uint32_t i = 0; i < models; ++i)
    if (auto done = publish_one(*made, folder / fmt::format("model-{}", i), i); !done) return core::fail(done.error());
  return made;
}

// -- a world ----------------------------------------------------------------------------------------------------------

namespace {

class cluster {
public:
  cluster(const scenario& what, uint64_t seed, real_shelf& models, const std::vector<size_t>& without)
      : what_(what), models_(models), random_(seed), virtual_(seed ^ 0x5e), network_(virtual_.clock(), seed ^ 0x2e7) {
    result_.seed = seed;
    const auto planned = plan_faults(what, seed);
    result_.planned_faults = planned.size();
    for (size_t i = 0; i < planned.size(); ++i) {
      if (std::ranges::find(without, i) != without.end()) continue;
      result_.faults.push_back(to_text(planned[i], what.workers));
      faults_.push_back(planned[i]);
    }
  }

  outcome run() {
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

private:
  struct asked {
    std::string model;
    time_us at_us = 0;
    uint32_t answers = 0;
  };

  // -- composing ------------------------------------------------------------------------------------------------------
  std::string worker_name(uint32_t number) const {
    return number < what_.workers ? fmt::format("worker-{}", number) : "head";
  }
  world_node& make_node(const std::string& name);
  void start();
  void start_head();
  void start_worker(const std::string& name);
  actors::head_reacher way_to_head(const std::string& node);

  // -- time -----------------------------------------------------------------------------------------------------------
  void at(time_us since_start_us, std::function<void()> what) {
    agenda_.emplace(start_us_ + since_start_us, std::move(what));
  }
  void run_until(time_us end_us);
  void settle();
  bool progress();
  time_us next_us() const;
  void do_what_is_due();

  // -- harm -----------------------------------------------------------------------------------------------------------
  void begin(const planned_fault& fault);
  void kill(const std::string& name);
  void freeze(const std::string& name, duration_us for_us);
  void flip_in_arena(const planned_fault& fault);
  void flip_in_cache(const planned_fault& fault);

  // -- asking ---------------------------------------------------------------------------------------------------------
  void plan_requests();
  void ask(const std::string& model);
  void on_answer(size_t request, const protocol::infer_reply& reply);
  void look_at_the_end();
  void stop();
  void violated(std::string what) {
    result_.violations.push_back(
        fmt::format("{:.3f} s: {}", static_cast<double>(virtual_.now_us() - start_us_) / 1e6, what));
  }

  const scenario what_;
  real_shelf& models_;
  core::prng random_;
  // Both outlive the system: others may still know actors of a life that has ended, and those own what was theirs.
  std::map<std::string, std::unique_ptr<world_node>> nodes_;
  std::vector<std::unique_ptr<world_node>> ended_;
  virtual_system virtual_;
  const time_us start_us_ = virtual_.now_us();
  virtual_network network_;
  std::multimap<time_us, std::function<void()>> agenda_;
  std::vector<planned_fault> faults_;
  std::string admission_ = "admission";
  uint64_t last_incarnation_ = 0;
  std::vector<asked> requests_;
  std::map<std::string, time_us> flipped_us_; // by node: when its memory changed last
  duration_us head_stood_still_us_ = 0;
  outcome result_;
};

world_node& cluster::make_node(const std::string& name) {
  auto made = std::make_unique<world_node>();
  made->name = name;
  const auto incarnation = ++last_incarnation_;
  auto& way = network_.add_node(name, incarnation, made->exports);
  const uint64_t scrub_bps = what_.lacks.nobody_scrubs ? 0 : 110 << 20;
  made->scrubber =
      std::make_unique<weights::scrubber>(weights::scrubber_options{scrub_bps}, made->exports, virtual_.clock());
  auto& environment = made->environment;
  environment.boot_id = name == "head" ? "head's" : "others'"; // bytes go over the network
  environment.fetcher_to = [&way](const transport::peer_address&) { return &way; };
  environment.exporter = &made->exports;
  environment.checker = &made->checker;
  environment.scrubber = made->scrubber.get();
  environment.clock = &virtual_.clock();
  auto& parts = made->parts;
  parts.secret = secret;
  parts.address = {name, incarnation, environment.boot_id, "", name, 1};
  parts.pid = 1;
  parts.connect_timeout_us = second_us;
  parts.environment = &environment;
  parts.on_joined = [node = made.get()] { ++node->joins; };
  parts.on_fatal = [this, name](const core::error& why) { violated(name + " cannot go on: " + why.message); };
  return *(nodes_[name] = std::move(made));
}

void cluster::start() {
  start_head();
  for (uint32_t i = 0; i < what_.workers; ++i) start_worker(worker_name(i));
  settle();
}

void cluster::start_head() {
  auto& node = make_node("head");
  node.disk = std::make_unique<virtual_disk>(virtual_.clock(), models_.objects);
  node.cache = weights::host_cache::create(what_.cache_bytes, *node.disk).value();
  actors::head_parts head;
  head.directory.nodes = {{"head", {"head", "store"}}};
  for (uint32_t i = 0; i < what_.workers; ++i) head.directory.nodes.push_back({worker_name(i), {"worker"}});
  head.directory.heartbeat_us = second_us / 4;
  head.directory.lease_us = second_us;
  head.tenants = {{"acme", 1, 1'000, {}}};
  head.default_deadline_us = deadline_us;
  head.scheduler.load_timeout_us = 5 * second_us;
  head.store.store = &models_.store;
  head.store.catalogue = &models_.catalogue;
  head.store.cache = node.cache.get();
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
  node.device = gpu::make_device("host", {.name = "host0", .arena_bytes = what_.arena_bytes, .threads = 1}).value();
  node.runner = std::make_unique<virtual_runner>(virtual_.clock(), 4'000, !what_.lacks.runs_do_not_wait);
  node.parts.devices = {{name + "/host0", node.device.get(), node.runner.get()}};
  virtual_.on_node(
      name, [&] { node.actors = actors::spawn_node(virtual_.system(), node.parts, std::nullopt, way_to_head(name)); });
}

// Each attempt finds an entrance of its own, as each connection does.
actors::head_reacher cluster::way_to_head(const std::string& node) {
  return [this, node](const actors::connected& done) {
    const auto& head = nodes_.at("head")->actors.head;
    const auto directory = head ? head->directory : protocol::directory_actor();
    if (!directory) return done(core::fail(core::errc::unavailable, "the head is not there yet"));
    const auto entrance = virtual_.on_node("head", [&] {
      return virtual_.system().spawn<actors::actor_from_state<actors::entrance>>(
          actors::entrance_options{node, directory, admission_});
    });
    done(caf::actor_cast<caf::strong_actor_ptr>(entrance));
  };
}

// -- time -------------------------------------------------------------------------------------------------------------

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
  for (const auto& [name, node] : nodes_) {
    if (node->is_frozen) continue;
    if (node->disk) any = node->disk->progress() || any;
    if (node->runner) any = node->runner->progress() || any;
  }
  return any;
}

time_us cluster::next_us() const {
  auto next = std::min(virtual_.next_timer_us().value_or(never_us), network_.next_due_us().value_or(never_us));
  if (!agenda_.empty()) next = std::min(next, agenda_.begin()->first);
  for (const auto& [name, node] : nodes_) {
    if (node->is_frozen) continue;
    if (node->disk) next = std::min(next, node->disk->next_due_us().value_or(never_us));
    if (node->runner) next = std::min(next, node->runner->next_due_us().value_or(never_us));
    if (node->device) next = std::min(next, node->next_scrub_us);
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
  for (const auto& [name, node] : nodes_)
    if (node->device && !node->is_frozen && node->next_scrub_us <= now) {
      const auto next = node->scrubber->check();
      node->next_scrub_us = next == never_us ? now + second_us : std::max(next, now + 1);
    }
}

// -- harm -------------------------------------------------------------------------------------------------------------

void cluster::begin(const planned_fault& fault) {
  const auto name = worker_name(fault.node), other = worker_name(fault.other);
  const auto until_us = fault.until_us;
  switch (fault.kind) {
    case fault_kind::kill:
      if (!nodes_.contains(name)) return;
      kill(name);
      return at(until_us, [this, name] { start_worker(name); });
    case fault_kind::freeze:
      return freeze(name, until_us - fault.at_us);
    case fault_kind::head_pause:
      return freeze("head", until_us - fault.at_us);
    case fault_kind::slow_link:
      network_.link_of(name).rate_bps = 10'000'000;
      return at(until_us, [this, name] { network_.link_of(name).rate_bps = link_condition().rate_bps; });
    case fault_kind::cut:
      network_.cut(name, other);
      return at(until_us, [this, name, other] { network_.mend(name, other); });
    case fault_kind::liar:
      network_.link_of(name).flips_ppm = 1'000'000;
      return at(until_us, [this, name] { network_.link_of(name).flips_ppm = 0; });
    case fault_kind::arena_flip:
      return flip_in_arena(fault);
    case fault_kind::cache_flip:
      return flip_in_cache(fault);
  }
}

// The process is gone: its actors, what it had in flight, its memory.
void cluster::kill(const std::string& name) {
  auto& node = *nodes_.at(name);
  caf::anon_send_exit(node.actors.supervisor, caf::exit_reason::kill);
  for (const auto& worker : node.actors.workers) caf::anon_send_exit(worker, caf::exit_reason::kill);
  virtual_.run_all_of(name);
  network_.remove_node(name);
  node.actors = {};
  ended_.push_back(std::move(nodes_.extract(name).mapped()));
}

void cluster::freeze(const std::string& name, duration_us for_us) {
  const auto found = nodes_.find(name);
  if (found == nodes_.end() || found->second->is_frozen) return;
  if (name == "head") head_stood_still_us_ += for_us;
  found->second->is_frozen = true;
  if (found->second->disk) found->second->disk->freeze(true);
  virtual_.freeze(name);
  network_.freeze(name);
  at(virtual_.now_us() - start_us_ + for_us, [this, name] {
    const auto still = nodes_.find(name);
    if (still == nodes_.end()) return;
    still->second->is_frozen = false;
    if (still->second->disk) still->second->disk->freeze(false);
    virtual_.thaw(name);
    network_.thaw(name);
  });
}

void cluster::flip_in_arena(const planned_fault& fault) {
  const auto found = nodes_.find(worker_name(fault.node));
  if (found == nodes_.end()) return;
  const auto slab = found->second->device->memory().slab();
  slab.address[fault.choice % slab.size_bytes] ^= static_cast<std::byte>(1u << (fault.choice >> 61));
  flipped_us_[found->first] = virtual_.now_us();
}

void cluster::flip_in_cache(const planned_fault& fault) {
  const auto slab = nodes_.at("head")->cache->slab().memory;
  slab.address[fault.choice % slab.size_bytes] ^= static_cast<std::byte>(1u << (fault.choice >> 61));
}

// -- asking -----------------------------------------------------------------------------------------------------------

// A few models are asked for often, most now and then.
void cluster::plan_requests() {
  for (uint32_t i = 0; i < what_.requests; ++i) {
    const auto when = 100'000 + static_cast<time_us>(random_.below(static_cast<uint64_t>(what_.duration_us)));
    const auto rank = std::min(random_.below(models_.names.size()), random_.below(models_.names.size()));
    at(when, [this, rank] { ask(models_.names[rank]); });
  }
  // When all is well again, everything must be.
  for (size_t i = 0; i < models_.names.size(); ++i)
    at(what_.duration_us + calm_us - 8 * second_us + static_cast<time_us>(i) * 100'000,
       [this, i] { ask(models_.names[i]); });
}

void cluster::ask(const std::string& model) {
  const auto number = requests_.size();
  requests_.push_back({model, virtual_.now_us(), 0});
  const auto tenant = nodes_.at("head")->actors.head->tenants[0].second;
  virtual_.system().spawn([this, number, model, tenant](caf::event_based_actor* self) {
    self->request(tenant, caf::infinite,
                  protocol::infer_request{model, protocol::task_kind::embed,
                                          protocol::encode_input(std::array{1, 2, 3}, {}), deadline_us})
        .then([this, number](const protocol::infer_reply& reply) { on_answer(number, reply); },
              [this, number](const caf::error&) { violated(fmt::format("request {} got an error", number)); });
  });
}

void cluster::on_answer(size_t request, const protocol::infer_reply& reply) {
  auto& of = requests_[request];
  const auto now = virtual_.now_us();
  if (++of.answers > 1) violated(fmt::format("request {} was answered twice", request));
  if (now > of.at_us + answer_patience_us + head_stood_still_us_)
    violated(fmt::format("request {} for {} waited {} ms", request, of.model, (now - of.at_us) / 1000));
  const bool is_calm = of.at_us > start_us_ + what_.duration_us + calm_us - 9 * second_us;
  if (reply.end != protocol::status::ok && reply.end != protocol::status::late) {
    ++result_.refused;
    if (is_calm) violated(fmt::format("request {} for {} when all was well: {}", request, of.model, reply.error));
    return;
  }
  ++result_.answers;
  if (protocol::decode_output(reply.output) == models_.answers.at(of.model)) return;
  const auto flipped = flipped_us_.find(reply.spent.node);
  if (flipped != flipped_us_.end() && now <= flipped->second + scrub_bound_us)
    ++result_.wrong_within_bound;
  else
    violated(fmt::format("request {} for {} got a wrong answer from {}", request, of.model, reply.spent.node));
}

void cluster::look_at_the_end() {
  const auto ledger = nodes_.at("head")->actors.head->ledger;
  virtual_.system().spawn([this, ledger](caf::event_based_actor* self) {
    self->request(ledger, caf::infinite, protocol::loads_atom_v, uint32_t{100'000}, std::string())
        .then([this](const protocol::load_list& listed) {
          for (const auto& row : listed.rows) ++(row.ok() ? result_.loads : result_.failed_loads);
        });
    self->request(ledger, caf::infinite, protocol::nodes_atom_v).then([this](const protocol::node_list& listed) {
      for (const auto& node : listed.rows) {
        if (node.state != protocol::node_state::ready) violated(node.name + " is not ready when all is well");
        for (const auto& device : node.devices) result_.repaired += device.repaired_shards;
      }
    });
  });
  settle();
  for (size_t i = 0; i < requests_.size(); ++i)
    if (requests_[i].answers == 0) violated(fmt::format("request {} for {} got no answer", i, requests_[i].model));
}

void cluster::stop() {
  caf::anon_send<caf::message_priority::high>(nodes_.at("head")->actors.supervisor, protocol::stop_atom_v);
  for (const auto& [name, node] : nodes_)
    if (name != "head") caf::anon_send<caf::message_priority::high>(node->actors.supervisor, protocol::stop_atom_v);
  run_until(virtual_.now_us() + 5 * second_us);
  for (const auto& [name, node] : nodes_) {
    network_.remove_node(name);
    node->actors = {};
  }
}

} // namespace

outcome run(const scenario& what, uint64_t seed, shelf& models, const std::vector<size_t>& without) {
  cluster all(what, seed, dynamic_cast<real_shelf&>(models), without);
  return all.run();
}

} // namespace fastptm::sim::world
