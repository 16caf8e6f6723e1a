// Dense indices for the core on one side, actors and names on the other.
#include "actors/serving/scheduler.hpp"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "actors/serving/refused.hpp"
#include "core/check.hpp"
#include "core/log.hpp"
#include "models/registry.hpp"
#include "protocol/errors.hpp"
#include "weights/format/manifest.hpp"

namespace fastptm::actors {

namespace scheduling = policy::scheduling;
using std::chrono::microseconds;

namespace {

// A product and a sum for every weight that a token meets.
uint64_t operations_per_token(const models::model_facts& facts) {
  return 2 * facts.weights_per_token;
}

core::duration_us overlap_us(core::time_us from, core::time_us to, core::time_us start, core::time_us end) {
  return std::max<core::duration_us>(0, std::min(to, end) - std::max(from, start));
}

} // namespace

scheduler::scheduler(interface::pointer self, scheduler_options options) : self_(self), options_(std::move(options)) {
  core::check(options_.clock != nullptr, "scheduler needs a clock");
  auto made = scheduling::make_core(options_.core);
  core::check(made.has_value(), "scheduler options were not checked");
  core_ = std::move(*made);
  if (options_.metrics != nullptr) metrics_.emplace(*options_.metrics);
  for (const auto& tenant : options_.tenants)
    tell(scheduling::tenant_added{{tenant.id.value}, tenant.share, tenant.late});
}

scheduler::interface::behavior_type scheduler::make_behavior() {
  return {
      [this](const protocol::schedule_request& request) { return on_request(request); },
      [this](protocol::cancel_atom, core::tenant_id tenant, uint64_t ticket) { on_cancel(tenant, ticket); },
      [this](const protocol::model_added& added) { on_model(added); },
      [this](const protocol::model_removed& removed) { return on_model_removed(removed); },
      [this](const protocol::device_joined& joined) { on_device_joined(joined); },
      [this](const protocol::device_lost& lost) { on_device_lost(lost); },
      [this](const protocol::batch_outputs& part) { on_outputs(part); },
      [this](protocol::batch_part& part) { on_part(std::move(part)); },
      [this](protocol::cordon_atom, const std::string& device, bool on) { on_cordon(device, on); },
      [this](protocol::evict_atom, const std::string& device, const std::string& model) {
        return on_evict(device, model);
      },
      [this](protocol::explain_atom, const std::string& model) { return on_explain(model); },
      [this](protocol::plans_atom) { return on_plans(); },
      [this](protocol::stop_atom) { on_stop(); },
      [this](protocol::decide_atom) { decide(); },
      [this](protocol::tick_atom, uint64_t timer) { on_timer(timer); },
  };
}

// -- from tenants -----------------------------------------------------------------------------------------------------

caf::result<protocol::infer_reply> scheduler::on_request(const protocol::schedule_request& request) {
  const auto model = model_index_.find(request.model);
  if (model == model_index_.end())
    return refused(protocol::status::not_found,
                   "the model is not there any more: `fastptm models` lists what there is");
  if (tickets_.size() >= options_.queued) return refused(scheduling::rejection::full);
  const auto index = take_slot();
  auto& taken = slots_[index];
  const auto now = options_.clock->now_us();
  taken.promise = self_->make_response_promise<protocol::infer_reply>();
  taken.tenant = request.tenant;
  taken.ticket = request.ticket;
  taken.model = model->second;
  taken.arrival_us = now;
  taken.deadline_us = now + request.deadline_us;
  taken.input = request.input;
  if (request.in_parts) taken.asker = caf::actor_cast<protocol::tenant_actor>(self_->current_sender());
  tickets_[{request.tenant.value, request.ticket}] = index;
  auto promise = taken.promise;
  note(scheduling::arrival{{index, taken.generation}, {taken.model}, taken.deadline_us});
  return promise;
}

void scheduler::on_cancel(core::tenant_id tenant, uint64_t ticket) {
  decide();
  const auto found = tickets_.find({tenant.value, ticket});
  if (found == tickets_.end()) return;
  const auto index = found->second;
  const bool queued = slots_[index].batch.value == 0;
  const auto reason = tell(scheduling::cancelled{{index, slots_[index].generation}});
  if (!queued || reason != scheduling::rejection::none) return; // its batch will free it
  answer(index, refused(protocol::status::deadline_exceeded, "cancelled"));
  free_slot(index);
  if (metrics_) metrics_->queued(queued_);
}

// -- from the weight store and the directory --------------------------------------------------------------------------

void scheduler::on_model(const protocol::model_added& added) {
  decide();
  if (model_index_.contains(added.row.id)) return;
  const auto set = weights::decode(as_bytes(added.manifest));
  if (!set) return core::log::error("scheduler", "bad-manifest", "{}: {}", added.row.name, set.error().message);
  const auto index = take_model();
  auto& model = models_[index];
  model.row = added.row;
  model.manifest = added.manifest;
  model_index_[added.row.id] = index;
  std::vector<policy::shard_size> shards;
  for (const auto& shard : set->shards) {
    const policy::shard_index at{use_shard(shard.digest)};
    if (std::find(model.shards.begin(), model.shards.end(), shard.digest) == model.shards.end()) {
      shards.push_back({at, shard.size_bytes});
      model.distinct.push_back(static_cast<uint32_t>(model.shards.size()));
    }
    model.shards.push_back(shard.digest);
  }
  const auto cost_class =
      cost_class_.try_emplace(added.row.architecture, static_cast<uint32_t>(cost_class_.size())).first->second;
  uint32_t tenant = 0;
  for (const auto& known : options_.tenants)
    if (known.name == added.row.tenant) tenant = known.id.value;
  const auto reason =
      tell(scheduling::model_added{{index},
                                   {tenant},
                                   shards,
                                   policy::assumed_execution(operations_per_token(*models::describe(set->arch))),
                                   cost_class,
                                   host_index(options_.store_boot_id)});
  if (reason != scheduling::rejection::none)
    core::log::error("scheduler", "model-rejected", "{}: {}", added.row.name, to_string(reason));
}

void scheduler::on_device_joined(const protocol::device_joined& joined) {
  decide();
  const auto index = index_of(joined.row.name);
  if (devices_[index].present) on_device_lost({devices_[index].registration, joined.row.name});
  auto& device = devices_[index];
  device.node = joined.node;
  device.present = true;
  device.registration = joined.registration;
  device.worker = joined.worker;
  device.loads.clear();
  device.leaving.clear();
  std::vector<scheduling::resident_set> resident;
  std::vector<std::vector<uint64_t>> offsets_bytes(joined.row.resident_ids.size());
  for (size_t i = 0; i < joined.row.resident_ids.size(); ++i) {
    const auto id = joined.row.resident_ids[i];
    if (auto places = places_on(joined.row, i)) {
      offsets_bytes[i] = std::move(*places);
      resident.push_back({{model_index_.at(id)}, offsets_bytes[i]});
    } else {
      order_evict_unknown(device, id);
    }
  }
  scheduling::device_joined event;
  event.device = {index};
  event.arena_bytes = joined.row.arena_bytes;
  event.host = host_index(joined.boot_id);
  event.kind = hardware_.try_emplace(joined.row.hardware, static_cast<uint32_t>(hardware_.size())).first->second;
  event.resident = resident;
  const auto reason = tell(event);
  if (reason != scheduling::rejection::none)
    core::log::error("scheduler", "device-rejected", "{}: {}", joined.row.name, to_string(reason));
}

void scheduler::on_device_lost(const protocol::device_lost& lost) {
  decide();
  const auto index = index_of(lost.device);
  auto& device = devices_[index];
  if (!device.present || device.registration != lost.registration) return;
  device.present = false;
  device.worker = nullptr;
  device.loads.clear();
  device.leaving.clear();
  forget_batches(index, std::nullopt);
  tell(scheduling::device_lost{{index}});
}

void scheduler::on_cordon(const std::string& device, bool on) {
  decide();
  tell(scheduling::device_cordoned{{index_of(device)}, on});
}

// -- from gpu_workers -------------------------------------------------------------------------------------------------

void scheduler::on_loaded(uint32_t device, uint32_t model, core::load_id load, const protocol::load_reply& reply) {
  auto& loads = devices_[device].loads;
  if (const auto known = loads.find(model); known != loads.end() && known->second.id == load)
    known->second.end_us = options_.clock->now_us();
  models_[model].load_error.clear();
  note(scheduling::load_done{{device}, load, reply.bytes_moved, reply.wall_us});
}

void scheduler::on_load_failed(uint32_t device, uint32_t model, core::load_id load, const core::error& why) {
  decide();
  auto& loads = devices_[device].loads;
  const auto known = loads.find(model);
  if (known == loads.end() || known->second.id != load) return; // the device was lost meanwhile
  loads.erase(known);
  core::log::warn("scheduler", "load-failed", "load {} of {} on {}: {}", load.value, models_[model].row.name,
                  devices_[device].name, why.message);
  if (metrics_) metrics_->failed_loads().add();
  models_[model].load_error = why.message;
  // Whatever became of it, the device must not go on with it.
  if (devices_[device].present) self_->send(devices_[device].worker, protocol::cancel_atom_v, load);
  forget_batches(device, load);
  const auto kind =
      why.code == core::errc::does_not_fit ? scheduling::load_error::does_not_fit : scheduling::load_error::failed;
  tell(scheduling::load_failed{{device}, load, kind});
}

void scheduler::on_outputs(const protocol::batch_outputs& part) {
  const auto batch = batches_.find(part.batch);
  if (batch == batches_.end()) return;
  auto& outputs = batch->second.outputs;
  outputs.insert(outputs.end(), part.outputs.begin(), part.outputs.end());
}

void scheduler::on_part(protocol::batch_part part) {
  const auto batch = batches_.find(part.batch);
  if (batch == batches_.end() || part.part.of >= batch->second.requests.size()) return;
  const auto& request = slots_[batch->second.requests[part.part.of].slot];
  if (request.asker == nullptr) return;
  part.part.of = request.ticket;
  self_->send(request.asker, std::move(part.part));
}

void scheduler::on_run(core::batch_id id, const protocol::run_reply& reply) {
  const auto found = batches_.find(id);
  if (found == batches_.end()) return;
  if (found->second.outputs.size() != found->second.requests.size())
    return on_run_failed(id,
                         {core::errc::internal, "the device sent another number of outputs than there were inputs"});
  auto batch = std::move(found->second);
  batches_.erase(found);
  const auto now = options_.clock->now_us();
  for (size_t i = 0; i < batch.requests.size(); ++i) {
    const auto& request = slots_[batch.requests[i].slot];
    const bool late = now > request.deadline_us;
    answer(batch.requests[i].slot, {late ? protocol::status::late : protocol::status::ok,
                                    {},
                                    0,
                                    std::move(batch.outputs[i]),
                                    account_of(request, batch, reply)});
  }
  note_served(batch, now);
  if (metrics_) metrics_->batches_answered().add();
  note(scheduling::batch_done{{batch.device}, id, std::max<core::duration_us>(1, reply.run_us - reply.waited_us)});
  for (const auto& request : batch.requests) free_slot(request.slot);
}

void scheduler::on_run_failed(core::batch_id id, const core::error& why) {
  decide();
  const auto found = batches_.find(id);
  if (found == batches_.end()) return;
  const auto device = found->second.device;
  core::log::warn("scheduler", "batch-failed", "batch {} on {}: {}", id.value, devices_[device].name, why.message);
  for (const auto& request : found->second.requests) set_batch(slots_[request.slot], {});
  batches_.erase(found);
  if (metrics_) metrics_->failed_batches().add();
  tell(scheduling::batch_failed{{device}, id});
}

// -- from administrators, timers --------------------------------------------------------------------------------------

caf::result<uint64_t> scheduler::on_evict(const std::string& name, const std::string& model) {
  decide();
  const auto known = device_index_.find(name);
  if (known == device_index_.end() || !devices_[known->second].present)
    return protocol::to_caf(core::errc::not_found,
                            fmt::format("no device '{}' is up; those that are: {}", name, present_devices()));
  const auto wanted = find_model(model);
  if (!wanted)
    return protocol::to_caf(core::errc::not_found, fmt::format("no model '{}': `fastptm status` lists all", model));
  const uint32_t device_at = known->second, model_at = *wanted;
  auto& device = devices_[device_at];
  for (const auto& [id, batch] : batches_)
    if (batch.device == device_at && batch.model == model_at)
      return protocol::to_caf(core::errc::busy, fmt::format("requests use {} on {}: try again", model, name));
  if (const auto load = device.loads.find(model_at); load != device.loads.end() && load->second.end_us == 0)
    return protocol::to_caf(core::errc::busy, fmt::format("{} is being loaded to {}: try again", model, name));
  auto promise = self_->make_response_promise<uint64_t>();
  self_
      ->request(device.worker, microseconds(options_.load_timeout_us),
                protocol::evict_order{device.registration, models_[model_at].row.id})
      .then([promise](uint64_t freed_bytes) mutable { promise.deliver(freed_bytes); },
            [promise, what = fmt::format("{} on {}", model, name)](caf::error& failure) mutable {
              const auto why = protocol::from_caf(failure);
              promise.deliver(protocol::to_caf(why.code, what + ": " + why.message));
            });
  device.loads.erase(model_at);
  // Told after the order was sent: a load that the core asks for now arrives behind it.
  tell(scheduling::set_evicted{{device_at}, {model_at}});
  return promise;
}

void scheduler::on_timer(uint64_t timer) {
  decide();
  if (timer == last_timer_) tell(scheduling::timer{});
}

void scheduler::on_stop() {
  for (uint32_t index = 0; index < slots_.size(); ++index)
    if (slots_[index].used)
      answer(index, refused(protocol::status::unavailable, "the cluster is stopping: ask again when it has started"));
  self_->quit(caf::exit_reason::user_shutdown);
}

// -- requests, indices ------------------------------------------------------------------------------------------------

void scheduler::note_served(const batch_entry& batch, core::time_us now_us) {
  auto& loads = devices_[batch.device].loads;
  if (const auto load = loads.find(batch.model); load != loads.end() && load->second.served_us == 0)
    load->second.served_us = now_us;
}

bool scheduler::has_served(const batch_entry& batch, core::time_us before_us) const {
  const auto& loads = devices_[batch.device].loads;
  const auto load = loads.find(batch.model);
  return load != loads.end() && load->second.served_us != 0 && load->second.served_us <= before_us;
}

protocol::account scheduler::account_of(const slot& request, const batch_entry& batch,
                                        const protocol::run_reply& reply) const {
  const auto& device = devices_[batch.device];
  const auto now = options_.clock->now_us();
  protocol::account spent;
  spent.node = device.node;
  spent.device = device.name;
  spent.batch = reply.batch;
  spent.batch_end_us = reply.began_us + reply.run_us;
  spent.run_us = std::max<core::duration_us>(0, reply.run_us - reply.waited_us);
  // Shards that no batch waits for may still be on their way.
  if (!has_served(batch, request.arrival_us)) {
    spent.switch_us = reply.waited_us;
    if (const auto load = device.loads.find(batch.model); load != device.loads.end()) {
      const auto end_us = load->second.end_us == 0 ? now : load->second.end_us;
      spent.switch_us += overlap_us(request.arrival_us, batch.start_us, load->second.start_us, end_us);
    }
    spent.loaded = spent.switch_us > 0 || batch.waits_for.value != 0;
  }
  spent.queue_us = std::max<core::duration_us>(0, now - request.arrival_us - spent.run_us - spent.switch_us);
  return spent;
}

uint32_t scheduler::take_slot() {
  if (free_slots_.empty()) {
    slots_.emplace_back();
    free_slots_.push_back(static_cast<uint32_t>(slots_.size() - 1));
  }
  const auto index = free_slots_.back();
  free_slots_.pop_back();
  slots_[index].used = true;
  slots_[index].batch = {};
  ++slots_[index].generation;
  ++queued_;
  return index;
}

void scheduler::set_batch(slot& request, core::batch_id batch) {
  if (request.batch.value == 0) --queued_;
  if (batch.value == 0) ++queued_;
  request.batch = batch;
}

void scheduler::free_slot(uint32_t index) {
  auto& freed = slots_[index];
  core::check(freed.used, "a slot is freed once");
  tickets_.erase({freed.tenant.value, freed.ticket});
  if (freed.batch.value == 0) --queued_;
  freed.used = false;
  freed.input = {};
  freed.asker = nullptr;
  free_slots_.push_back(index);
}

std::string scheduler::present_devices() const {
  std::string names;
  for (const auto& device : devices_)
    if (device.present) names += (names.empty() ? "" : ", ") + device.name;
  return names.empty() ? "none" : names;
}

std::optional<uint32_t> scheduler::find_model(const std::string& full_name) const {
  for (uint32_t i = 0; i < models_.size(); ++i)
    if (models_[i].row.name == full_name && !models_[i].is_removed) return i;
  return std::nullopt;
}

uint32_t scheduler::index_of(const std::string& device) {
  const auto [found, added] = device_index_.try_emplace(device, static_cast<uint32_t>(devices_.size()));
  if (added) devices_.emplace_back().name = device;
  return found->second;
}

uint32_t scheduler::host_index(const std::string& boot_id) {
  return host_index_.try_emplace(boot_id, static_cast<uint32_t>(host_index_.size())).first->second;
}

} // namespace fastptm::actors
