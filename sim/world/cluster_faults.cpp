// What goes wrong in a run, and when it is over.
#include <algorithm>

#include <fmt/format.h>

#include "sim/world/cluster.hpp"

namespace fastptm::sim::world {

namespace {

using core::duration_us;
using core::time_us;

constexpr duration_us wire_delay_us = 300'000;
constexpr uint64_t slowness = 100;
constexpr uint32_t all_ppm = 1'000'000;
// Until what a fault has begun is over, too.
constexpr duration_us aftermath_us = 2 * second_us;
constexpr duration_us publish_timeout_us = 2 * second_us, publish_again_us = second_us / 2;

} // namespace

void cluster::begin(const planned_fault& fault) {
  const auto name = node_name(fault.node), other = node_name(fault.other);
  const auto from_us = start_us_ + fault.at_us, until_us = start_us_ + fault.until_us;
  const auto spoils_loads_of = [&](const std::string& whose) {
    load_troubles_.note(whose, from_us, until_us + aftermath_us);
  };
  auto& link = network_.link_of(name);
  switch (fault.kind) {
    case fault_kind::slow_link:
      link.rate_bps = what_.link_bps / slowness;
      return at(fault.until_us, [this, &link] { link.rate_bps = what_.link_bps; });
    case fault_kind::cut:
      if (name == "head") spoils_loads_of(other);
      if (other == "head") spoils_loads_of(name);
      network_.cut(name, other);
      return at(fault.until_us, [this, name, other] { network_.mend(name, other); });
    case fault_kind::liar:
      if (name == "head") spoils_loads_of("head");
      link.flips_ppm = all_ppm;
      return at(fault.until_us, [&link] { link.flips_ppm = 0; });
    case fault_kind::refusal:
      (fault.choice % 2 == 0 ? link.refuses : link.is_full) = true;
      return at(fault.until_us, [&link] { link.refuses = link.is_full = false; });
    case fault_kind::arena_flip:
      return flip_in_arena(fault);
    case fault_kind::cache_flip:
      if (auto* node = head()) flip(node->cache->slab().memory, fault.choice);
      return;
    case fault_kind::kill:
    case fault_kind::freeze:
    case fault_kind::head_pause:
    case fault_kind::head_death:
      spoils_loads_of(fault.kind == fault_kind::kill || fault.kind == fault_kind::freeze ? name : "head");
      return begin_at_node(fault);
    case fault_kind::late_wire:
    case fault_kind::stuck_wire:
    case fault_kind::broken_wire:
    case fault_kind::manifest_flip:
      spoils_loads_of(name);
      return begin_on_wire(fault);
    case fault_kind::slow_disk:
    case fault_kind::failing_disk:
    case fault_kind::object_rot:
    case fault_kind::manifest_rot:
    case fault_kind::publication:
      return begin_on_disk(fault);
  }
}

// -- nodes ------------------------------------------------------------------------------------------------------------

void cluster::begin_at_node(const planned_fault& fault) {
  const auto name = node_name(fault.node);
  const auto from_us = start_us_ + fault.at_us, until_us = start_us_ + fault.until_us;
  const auto lasts_us = until_us - from_us;
  switch (fault.kind) {
    case fault_kind::kill:
      life_troubles_.note(name, from_us, until_us);
      if (find(name) == nullptr) return;
      kill(name);
      return at(fault.until_us, [this, name] { start_worker(name); });
    case fault_kind::freeze:
      life_troubles_.note(name, from_us, until_us);
      return freeze(name, lasts_us);
    case fault_kind::head_pause:
      return freeze("head", lasts_us);
    default:
      life_troubles_.note("head", from_us, until_us);
      if (head() == nullptr) return;
      kill_head();
      return at(fault.until_us, [this] { start_head(); });
  }
}

// The process is gone: its actors, what it had in flight, its memory.
void cluster::kill(const std::string& name) {
  auto& node = *nodes_.at(name);
  caf::anon_send_exit(node.actors.supervisor, caf::exit_reason::kill);
  for (const auto& worker : node.actors.workers) caf::anon_send_exit(worker, caf::exit_reason::kill);
  if (const auto& all = node.actors.head) {
    for (const auto& [tenant, handle] : all->tenants) caf::anon_send_exit(handle, caf::exit_reason::kill);
    caf::anon_send_exit(all->scheduler, caf::exit_reason::kill);
    caf::anon_send_exit(all->weight_store, caf::exit_reason::kill);
    caf::anon_send_exit(all->directory, caf::exit_reason::kill);
    caf::anon_send_exit(all->ledger, caf::exit_reason::kill);
    caf::anon_send_exit(all->entrance, caf::exit_reason::kill);
  }
  virtual_.run_all_of(name);
  network_.remove_node(name);
  if (wires_) wires_->cut(name);
  busy_.erase(node.incarnation);
  node.actors = {};
  ended_.push_back(std::move(nodes_.extract(name).mapped()));
}

// Clients see their connections end: that is an answer, too.
void cluster::kill_head() {
  thaw("head");
  read_ledger();
  kill("head");
  for (auto& one : requests_) {
    if (one.answers > 0) continue;
    one.answers = 1;
    ++result_.refused;
  }
}

void cluster::freeze(const std::string& name, duration_us for_us) {
  auto* node = find(name);
  if (node == nullptr || node->is_frozen) return;
  if (name == "head") head_stood_still_us_ += for_us;
  node->is_frozen = true;
  if (node->disk) node->disk->freeze(true);
  virtual_.freeze(name);
  network_.freeze(name);
  after(for_us, [this, name] { thaw(name); });
}

void cluster::thaw(const std::string& name) {
  auto* node = find(name);
  if (node == nullptr) return;
  node->is_frozen = false;
  if (node->disk) node->disk->freeze(false);
  virtual_.thaw(name);
  network_.thaw(name);
}

// -- control plane ----------------------------------------------------------------------------------------------------

void cluster::begin_on_wire(const planned_fault& fault) {
  const auto name = node_name(fault.node);
  const auto from_us = start_us_ + fault.at_us, until_us = start_us_ + fault.until_us;
  auto& condition = wires_->condition_of(name);
  switch (fault.kind) {
    case fault_kind::late_wire:
      condition.delay_us = wire_delay_us;
      return at(fault.until_us, [&condition] { condition.delay_us = 0; });
    case fault_kind::stuck_wire:
      life_troubles_.note(name, from_us, until_us);
      condition.stuck_until_us = until_us;
      return;
    case fault_kind::broken_wire:
      life_troubles_.note(name, from_us, until_us);
      unreachable_.insert(name);
      wires_->cut(name);
      return at(fault.until_us, [this, name] { unreachable_.erase(name); });
    default:
      condition.flips_manifests = true;
      return at(fault.until_us, [&condition] { condition.flips_manifests = false; });
  }
}

// -- memory -----------------------------------------------------------------------------------------------------------

void cluster::flip(core::memory_region memory, uint64_t choice) {
  memory.address[choice % memory.size_bytes] ^= static_cast<std::byte>(1u << (choice >> 61));
}

void cluster::flip_in_arena(const planned_fault& fault) {
  auto* node = find(node_name(fault.node));
  if (node == nullptr) return;
  flip(node->device->memory().slab(), fault.choice);
  flipped_us_[node->name] = virtual_.now_us();
}

// -- disk -------------------------------------------------------------------------------------------------------------

void cluster::begin_on_disk(const planned_fault& fault) {
  const auto models = models_.listed();
  const auto& model = models[fault.choice % models.size()];
  const auto& shards = model.set.shards;
  const auto& shard = shards[(fault.choice >> 32) % shards.size()];
  switch (fault.kind) {
    case fault_kind::slow_disk:
      disk_slowness_ = slowness;
      break;
    case fault_kind::failing_disk:
      load_troubles_.note("head", start_us_ + fault.at_us, start_us_ + fault.until_us + aftermath_us);
      disk_fails_ = true;
      break;
    case fault_kind::object_rot:
      return rot(fault, model, store().object_path(shard.digest));
    case fault_kind::manifest_rot:
      return rot(fault, model, disk_->manifest_path(model.entry.manifest));
    default: {
      const auto fresh = models_.unlisted();
      const auto& published = fault.choice % 2 == 0 ? model : fresh[(fault.choice >> 32) % fresh.size()];
      return publish(published, [this, &published] {
        if (std::ranges::find(asked_models_, &published) == asked_models_.end()) asked_models_.push_back(&published);
      });
    }
  }
  set_disk();
  at(fault.until_us, [this] {
    disk_slowness_ = 1;
    disk_fails_ = false;
    set_disk();
  });
}

// A disk stays as it is when the head that reads it dies.
void cluster::set_disk() {
  auto* node = head();
  if (node == nullptr) return;
  node->disk->rate_bps = virtual_disk::usual_bps / disk_slowness_;
  node->disk->fails = disk_fails_;
}

// Its operator notices, and does what the log says.
void cluster::rot(const planned_fault& fault, const shelved_model& model, const std::filesystem::path& file) {
  load_troubles_.note(model.name, start_us_ + fault.at_us, start_us_ + fault.until_us + 10 * second_us);
  (void)disk_->rot(file, fault.choice);
  at(fault.until_us, [this, &model, file, choice = fault.choice] {
    publish(model, [this, file, choice] {
      if (what_.lacks.restoration) (void)disk_->rot(file, choice);
    });
  });
}

// Again, if the head is not there.
void cluster::publish(const shelved_model& model, const std::function<void()>& done) {
  const auto again = [this, &model, done] { after(publish_again_us, [=, this, &model] { publish(model, done); }); };
  const auto* node = head();
  if (node == nullptr) return again();
  virtual_.system().spawn([=, this, to = node->actors.head->weight_store, incarnation = node->incarnation,
                           &model](caf::event_based_actor* self) {
    protocol::publish_request request;
    request.tenant = "acme";
    request.name = model.name;
    request.folder = model.folder;
    self->request(to, std::chrono::microseconds(publish_timeout_us), request)
        .then([done](const protocol::publication&) { done(); },
              [=, this](const caf::error& why) {
                const auto* now = head();
                if (now != nullptr && now->incarnation == incarnation && !now->is_frozen && head_stood_still_us_ == 0)
                  violated(fmt::format("{} could not be published: {}", model.name, caf::to_string(why)));
                again();
              });
  });
}

} // namespace fastptm::sim::world
