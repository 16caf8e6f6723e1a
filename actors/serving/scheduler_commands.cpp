// The scheduling core's driver: events in, its commands to devices and tenants.
#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "actors/serving/refused.hpp"
#include "actors/serving/scheduler.hpp"
#include "core/check.hpp"
#include "core/log.hpp"
#include "protocol/errors.hpp"
#include "weights/format/hash.hpp"

namespace fastptm::actors {

namespace scheduling = policy::scheduling;
using std::chrono::microseconds;

namespace {

// One decision about more would keep the first of them waiting.
constexpr size_t most_noted = 256;

} // namespace

void scheduler::note(const scheduling::event& what) {
  if (noted_.empty()) {
    noted_us_ = options_.clock->now_us();
    self_->send(self_, protocol::decide_atom_v);
  }
  noted_.push_back(what);
  if (noted_.size() >= most_noted) decide();
}

void scheduler::decide() {
  if (noted_.empty()) return;
  const auto now = options_.clock->now_us();
  reasons_.resize(noted_.size());
  const auto start_ns = core::monotonic_now_ns();
  const auto rejected = core_->on(noted_, now, commands_, reasons_);
  if (metrics_) metrics_->decided(core_->counters(), core::monotonic_now_ns() - start_ns);
  for (size_t i = 0; rejected > 0 && i < noted_.size(); ++i) {
    if (reasons_[i] == scheduling::rejection::none) continue;
    rejections_.rejected(reasons_[i], name_of(noted_[i]), now);
    if (const auto* arrived = std::get_if<scheduling::arrival>(&noted_[i])) {
      answer(arrived->request.slot, refused(reasons_[i]));
      free_slot(arrived->request.slot);
    }
  }
  noted_.clear();
  carry_out_all();
}

scheduling::rejection scheduler::tell(const scheduling::event& what) {
  core::check(noted_.empty(), "what was noted before is decided upon first");
  const auto now = options_.clock->now_us();
  noted_us_ = now;
  const auto start_ns = core::monotonic_now_ns();
  const auto reason = core_->on(what, now, commands_);
  if (metrics_) metrics_->decided(core_->counters(), core::monotonic_now_ns() - start_ns);
  if (reason != scheduling::rejection::none) rejections_.rejected(reason, name_of(what), now);
  carry_out_all();
  return reason;
}

void scheduler::carry_out_all() {
  for (const auto& command : commands_.all()) std::visit([this](const auto& one) { carry_out(one); }, command);
  forget_removed();
  if (metrics_) metrics_->queued(queued_);
}

void scheduler::carry_out(const scheduling::load& command) {
  auto& device = devices_[command.device.value];
  const auto& model = models_[command.model.value];
  const auto now = options_.clock->now_us();
  device.loads[command.model.value] = {command.id, now, 0};
  protocol::load_order order{device.registration,
                             command.id,
                             model.row.id,
                             model.row.name,
                             model.manifest,
                             model.row.manifest,
                             to_reason(command.reason),
                             options_.load_timeout_us,
                             planned_places(command.device.value, command.model.value),
                             now - noted_us_};
  self_->request(device.worker, microseconds(longest_load_us(model.row)), std::move(order))
      .then([this, d = command.device.value, m = command.model.value,
             id = command.id](const protocol::load_reply& reply) { on_loaded(d, m, id, reply); },
            [this, d = command.device.value, m = command.model.value, id = command.id](const caf::error& failure) {
              on_load_failed(d, m, id, protocol::from_caf(failure));
            });
}

// The device gives a load up that makes no progress; this is for one that is never heard of again. Every chunk may take
// as long as that, and what has to leave first as long as a run.
core::duration_us scheduler::longest_load_us(const protocol::model_row& model) const {
  const auto chunks = model.bytes / weights::chunk_bytes + model.shards;
  return options_.run_timeout_us + static_cast<core::duration_us>(chunks + 1) * options_.load_timeout_us;
}

// How long the batch may wait for its set: later nobody wants the answer any more.
core::duration_us scheduler::patience_us(core::time_us last_deadline_us) const {
  const auto left_us = last_deadline_us - options_.clock->now_us() + options_.core.late_patience_us;
  return std::max(left_us, options_.load_timeout_us);
}

void scheduler::carry_out(const scheduling::evict& command) {
  devices_[command.device.value].loads.erase(command.model.value);
  order_evict(command.device.value, command.model.value);
}

void scheduler::carry_out(const scheduling::run& command) {
  auto& device = devices_[command.device.value];
  auto& batch = batches_[command.id];
  batch = {command.device.value, command.model.value, command.waits_for, options_.clock->now_us(), {}, {}};
  protocol::batch_inputs part{command.id, {}};
  size_t part_bytes = 0;
  core::time_us last_deadline_us = 0;
  for (const auto& request : commands_.requests_of(command)) {
    auto& input = slots_[request.slot];
    set_batch(input, command.id);
    last_deadline_us = std::max(last_deadline_us, input.deadline_us);
    batch.requests.push_back(request);
    if (part_bytes + input.input.bytes.size() > protocol::message_limit_bytes && part_bytes > 0) {
      self_->send(device.worker, std::exchange(part, {command.id, {}}));
      part_bytes = 0;
    }
    part_bytes += input.input.bytes.size();
    part.inputs.push_back(input.input);
  }
  self_->send(device.worker, std::move(part));
  const auto waits_us = patience_us(last_deadline_us);
  self_
      ->request(device.worker, microseconds(waits_us + options_.run_timeout_us),
                protocol::run_order{device.registration, command.id, models_[command.model.value].row.id,
                                    static_cast<uint32_t>(batch.requests.size()), waits_us})
      .then([this](const protocol::run_reply& reply) { on_run(reply.batch, reply); },
            [this, id = command.id](const caf::error& failure) { on_run_failed(id, protocol::from_caf(failure)); });
}

void scheduler::carry_out(const scheduling::set_timer& command) {
  const auto pause_us = std::max<core::duration_us>(0, command.at_us - options_.clock->now_us());
  self_->delayed_send(self_, microseconds(pause_us), protocol::tick_atom_v, ++last_timer_);
}

void scheduler::carry_out(const scheduling::refuse& command) {
  const auto index = command.request.slot;
  if (const auto& of = models_[slots_[index].model]; of.is_removed) {
    answer(index,
           refused(protocol::status::not_found, of.row.name + " was taken back: `fastptm models` lists what there is"));
    return free_slot(index);
  }
  const auto& load_error = models_[slots_[index].model].load_error;
  const auto why = load_error.empty() ? std::string() : "; its last load failed: " + load_error;
  const auto& model = models_[slots_[index].model].row.name;
  switch (command.reason) {
    case scheduling::refusal::late:
      answer(index, refused(protocol::status::deadline_exceeded,
                            model + ": not served before its deadline: ask again or give it more time" + why,
                            command.retry_after_us));
      break;
    case scheduling::refusal::unservable:
      answer(index,
             refused(protocol::status::refused, model + ": no device can hold it: give one a larger arena" + why));
      break;
    case scheduling::refusal::unavailable:
      answer(index, refused(protocol::status::unavailable,
                            model + ": no device could answer: ask again, `fastptm status` shows what is up" + why,
                            command.retry_after_us));
      break;
  }
  free_slot(index);
}

// Not answered to anybody: the core counts the bytes as free from now on,
// and the device puts a following load behind it.
void scheduler::order_evict(uint32_t device, uint32_t model) {
  auto& from = devices_[device];
  ++from.leaving[model];
  self_
      ->request(from.worker, microseconds(options_.load_timeout_us),
                protocol::evict_order{from.registration, models_[model].row.id})
      .then([=, this, registration = from.registration](uint64_t) { evict_ended(device, registration, model); },
            [=, this, registration = from.registration](const caf::error& failure) {
              core::log::debug("scheduler", "evict-failed", "on {}: {}", devices_[device].name,
                               protocol::from_caf(failure).message);
              evict_ended(device, registration, model);
            });
}

void scheduler::evict_ended(uint32_t device, protocol::registration_id registration, uint32_t model) {
  auto& from = devices_[device];
  if (!from.present || from.registration != registration) return;
  if (const auto left = from.leaving.find(model); left != from.leaving.end() && --left->second == 0)
    from.leaving.erase(left);
  forget_removed();
}

// A set of a model that was taken back while the device was away.
void scheduler::order_evict_unknown(device_entry& from, core::model_id model) {
  self_->request(from.worker, microseconds(options_.load_timeout_us), protocol::evict_order{from.registration, model})
      .then([](uint64_t) {}, [](const caf::error&) {}); // a set that is not there any more is what was wanted
}

// The core queues their requests again by itself.
void scheduler::forget_batches(uint32_t device, std::optional<core::load_id> waiting_for) {
  for (auto batch = batches_.begin(); batch != batches_.end();) {
    const auto& one = batch->second;
    if (one.device != device || (waiting_for && one.waits_for != *waiting_for)) {
      ++batch;
      continue;
    }
    for (const auto& request : one.requests) set_batch(slots_[request.slot], {});
    batch = batches_.erase(batch);
  }
}

void scheduler::answer(uint32_t index, protocol::infer_reply reply) {
  auto& request = slots_[index];
  if (request.promise.pending()) request.promise.deliver(std::move(reply));
  request.promise = {};
}

} // namespace fastptm::actors
