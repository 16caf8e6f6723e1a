// Orders from the scheduler, completions from transfers, the runner and the exporter.
#include "actors/device/gpu_worker.hpp"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "actors/actor_from_state.hpp"
#include "actors/completion.hpp"
#include "core/check.hpp"
#include "core/log.hpp"
#include "models/registry.hpp"
#include "protocol/errors.hpp"
#include "weights/load/stage_clock.hpp"

namespace fastptm::actors {

namespace {

core::error stale_error() {
  return {core::errc::unavailable, "the order belongs to an earlier registration of this node"};
}

// Its numbers (heads, epsilon, pooling) are computed with as much as the shards are, which have checksums of their own.
core::error other_manifest_error(const protocol::load_order& order, const core::digest& came) {
  return {
      core::errc::corrupt,
      fmt::format("{}: the manifest that came with the order has the digest {}, and {} was published: the memory of "
                  "the head or the way from there has damaged it; if it comes again, restart the head",
                  order.name, came.short_hex(), order.manifest_digest.short_hex())};
}

} // namespace

gpu_worker::gpu_worker(interface::pointer self, gpu_worker_options options)
    : self_(self), options_(std::move(options)), table_(options_.device->memory()) {}

gpu_worker::interface::behavior_type gpu_worker::make_behavior() {
  return {
      [this](const protocol::attach_order& order) { on_attach(order); },
      [this](const protocol::load_order& order) { return on_load(order); },
      [this](protocol::cancel_atom, core::load_id load) { on_cancel(load); },
      [this](const protocol::evict_order& order) { return on_evict(order); },
      [this](const protocol::batch_inputs& part) { on_inputs(part); },
      [this](const protocol::run_order& order) { return on_run(order); },
      [this](const protocol::node_lost& lost) { on_node_lost(lost); },
      [this](const protocol::suspect& doubted) { on_suspect(doubted); },
      [this](protocol::stop_atom) { on_stop(); },
      [this](const local<load_ended>& ended) { on_load_ended(*ended.value); },
      [this](const local<shard_verified>& verified) { on_shard_verified(*verified.value); },
      [this](const local<part_verified>& part) { on_part_verified(*part.value); },
      [this](const local<shard_withdrawn>& withdrawn) { on_shard_withdrawn(*withdrawn.value); },
      [this](const local<run_ended>& ended) { on_run_ended(*ended.value); },
      [this](const local<shard_damaged>& damaged) { on_shard_damaged(*damaged.value); },
      [this](const local<reader_left>& left) { on_reader_left(*left.value); },
      [this](const local<shard_repaired>& repaired) { on_shard_repaired(*repaired.value); },
      [this](const local<repairs_ended>& ended) { on_repairs_ended(*ended.value); },
      [this](const local<holdings_due>&) { on_holdings_due(); },
      [this](protocol::tick_atom) { go_on(); },
  };
}

// -- from the supervisor ----------------------------------------------------------------------------------------------

void gpu_worker::on_attach(const protocol::attach_order& order) {
  const core::error over{core::errc::cancelled, "this node has joined again"};
  for (auto& waiting : std::exchange(queue_, {})) drop(waiting, over);
  if (loading_) abandon(loading_, over);
  cancel_repairs(); // begun anew under the new registration
  inputs_.clear();
  registration_ = order.registration;
  directory_ = order.directory;
  scheduler_ = order.scheduler;
  weight_store_ = order.weight_store;
  store_ = order.store;
  for (const auto& link : order.links) rates_.calibrated(link.path, link.rate_bps);
  report_all_holdings();
  report_device();
}

void gpu_worker::on_node_lost(const protocol::node_lost& lost) {
  rates_.forget(lost.node);
  if (loading_ && loading_->transfer) self_->send(loading_->transfer, lost);
  if (repair_transfer_) self_->send(repair_transfer_, lost);
}

void gpu_worker::on_stop() {
  stopping_ = true;
  const core::error over{core::errc::unavailable, "the node is stopping"};
  for (auto& waiting : std::exchange(queue_, {})) drop(waiting, over);
  if (loading_) abandon(loading_, over);
  cancel_repairs();
  for (const auto& [shard, of] : repairs_) of->place.verified->set_failed(over); // nobody waits for it any more
  const auto all = std::exchange(sets_, {});
  for (const auto& [id, of] : all) leaving_.insert(of); // all of them: the first to be gone is not the last
  for (const auto& [id, of] : all) release_if_idle(of);
  drop_unwanted_repairs();
  quit_if_empty();
}

// -- from the scheduler -----------------------------------------------------------------------------------------------

caf::result<protocol::load_reply> gpu_worker::on_load(const protocol::load_order& order) {
  if (order.registration != registration_ || stopping_) return protocol::to_caf(stale_error());
  if (queue_.size() >= options_.queued_loads)
    return protocol::to_caf(core::errc::busy, "too many loads are waiting for the device");
  auto promise = self_->make_response_promise<protocol::load_reply>();
  queue_.push_back({order, promise, options_.environment->clock->now_us(), {}, 0, 0});
  start_next_load();
  return promise;
}

void gpu_worker::on_cancel(core::load_id load) {
  const core::error over{core::errc::cancelled, "the load is no longer wanted"};
  if (loading_ && loading_->order.load == load) return abandon(loading_, over);
  // Ended well just before its scheduler gave it up: nobody plans with the bytes that it holds. Those of an earlier
  // registration were reported with this one, and another scheduler may have counted its loads as this one does.
  const auto held = std::find_if(sets_.begin(), sets_.end(), [&](const auto& one) {
    return one.second->order.load == load && one.second->order.registration == registration_;
  });
  if (held != sets_.end()) {
    const auto of = held->second;
    sets_.erase(held);
    leave(of);
    return report_device();
  }
  const auto waiting =
      std::find_if(queue_.begin(), queue_.end(), [&](const auto& one) { return one.order.load == load; });
  if (waiting == queue_.end()) return;
  drop(*waiting, over);
  queue_.erase(waiting);
  note_what_is_waited_for();
}

caf::result<uint64_t> gpu_worker::on_evict(const protocol::evict_order& order) {
  if (order.registration != registration_) return protocol::to_caf(stale_error());
  const auto found = sets_.find(order.model);
  if (found == sets_.end()) return protocol::to_caf(core::errc::not_found, "the device does not hold the set");
  const auto of = found->second;
  auto promise = self_->make_response_promise<uint64_t>();
  of->evicted.push_back(promise);
  if (of == loading_) {
    abandon(of, {core::errc::cancelled, "the set was evicted"});
    return promise;
  }
  sets_.erase(found);
  leave(of);
  report_device();
  return promise;
}

void gpu_worker::on_inputs(const protocol::batch_inputs& part) {
  auto& inputs = inputs_[part.batch];
  inputs.insert(inputs.end(), part.inputs.begin(), part.inputs.end());
  // Batches are numbered upwards: the lowest was given up by its scheduler.
  while (inputs_.size() > options_.batches_on_the_way) inputs_.erase(inputs_.begin());
}

caf::result<protocol::run_reply> gpu_worker::on_run(const protocol::run_order& order) {
  auto inputs = inputs_.extract(order.batch);
  if (order.registration != registration_ || stopping_) return protocol::to_caf(stale_error());
  if (inputs ? inputs.mapped().size() != order.inputs : order.inputs > 0)
    return protocol::to_caf(core::errc::internal, "inputs of the batch are missing");
  waiting_run run{order, inputs ? std::move(inputs.mapped()) : std::vector<protocol::payload>(), {}};
  if (const auto found = sets_.find(order.model); found != sets_.end()) {
    run.promise = self_->make_response_promise<protocol::run_reply>();
    auto promise = run.promise;
    submit(found->second, std::move(run));
    return promise;
  }
  // Its load may still wait for what is leaving the device.
  const auto queued =
      std::find_if(queue_.begin(), queue_.end(), [&](const auto& load) { return load.order.model == order.model; });
  if (queued == queue_.end()) return protocol::to_caf(core::errc::unavailable, "the device does not hold the set");
  run.promise = self_->make_response_promise<protocol::run_reply>();
  auto promise = run.promise;
  queued->runs.push_back(std::move(run));
  return promise;
}

void gpu_worker::submit(const set_pointer& of, waiting_run run) {
  engine::run_request request;
  request.arch = of->manifest.arch;
  request.facts = of->facts;
  request.job = of->manifest.job;
  for (const auto& shard : of->shards) request.shards.push_back({shard.region, shard.verified});
  for (const auto& one : run.inputs) {
    auto decoded = protocol::decode_input(one);
    if (!decoded) return run.promise.deliver(protocol::to_caf(decoded.error())), void();
    request.inputs.push_back({std::move(decoded->ids), std::move(decoded->token_types), decoded->unpooled});
  }
  request.give_up_at_us = options_.environment->clock->now_us() + run.order.give_up_us;
  auto done = [notify = notifier<interface>(self_), batch = run.order.batch](core::result<engine::run_result> result) {
    notify(make_local(run_ended{batch, std::move(result)}));
  };
  if (const auto taken = options_.runner->submit(std::move(request), std::move(done)); !taken)
    return run.promise.deliver(protocol::to_caf(taken.error())), void();
  ++of->runs;
  of->used = ++uses_;
  runs_[run.order.batch] = {of, run.promise, {}, options_.environment->clock->now_us()};
}

// -- completions ------------------------------------------------------------------------------------------------------

void gpu_worker::on_run_ended(const run_ended& ended) {
  auto found = runs_.extract(ended.batch);
  if (!found) return;
  auto& entry = found.mapped();
  const auto of = entry.of;
  --of->runs;
  if (ended.result)
    note_computed({ended.result->began_us, ended.result->began_us + ended.result->run_us, ended.result->waited_us});
  last_run_end_us_ = options_.environment->clock->now_us();
  deliver(ended, entry);
  for (const auto& each : entry.spoilt_by) --each->readers;
  if (of->runs == 0) send_report(*of);
  release_if_idle(of);
  if (!entry.spoilt_by.empty()) go_on();
}

void gpu_worker::deliver(const run_ended& ended, run_entry& entry) {
  if (!ended.result) return entry.promise.deliver(protocol::to_caf(ended.result.error())), void();
  if (!entry.spoilt_by.empty())
    return entry.promise.deliver(protocol::to_caf(core::errc::unavailable,
                                                  "a shard was found damaged while the batch ran: run it again")),
           void();
  note_first_run(*entry.of, ended.result->first_layer_at_us);
  protocol::batch_outputs part{ended.batch, {}};
  size_t part_bytes = 0;
  for (const auto& row : ended.result->rows) {
    if (part_bytes > 0 && part_bytes + row.size() * sizeof(float) > protocol::message_limit_bytes) {
      self_->send(scheduler_, std::exchange(part, {ended.batch, {}}));
      part_bytes = 0;
    }
    part_bytes += row.size() * sizeof(float);
    part.outputs.push_back(protocol::encode_output(row));
  }
  self_->send(scheduler_, std::move(part));
  entry.promise.deliver(protocol::run_reply{ended.batch, static_cast<uint32_t>(ended.result->rows.size()),
                                            ended.result->run_us, ended.result->waited_us, ended.result->began_us});
}

void gpu_worker::on_shard_verified(const shard_verified& verified) {
  const auto position = verified.of->missing[verified.missing];
  const auto& entry = verified.of->manifest.shards[position];
  export_whole(verified.of->shards[position], entry);
  report_holding(entry.digest);
}

void gpu_worker::on_part_verified(const part_verified& part) {
  const auto position = part.of->missing[part.missing];
  const auto& entry = part.of->manifest.shards[position];
  auto& exported = export_shard(part.of->shards[position], entry);
  if (exported.chunks >= part.chunks) return; // overtaken
  exported.chunks = part.chunks;
  report_holding(entry.digest);
}

void gpu_worker::on_load_ended(const load_ended& ended) {
  const auto of = ended.of;
  of->transfer = nullptr;
  send_holdings();
  learn(ended.end.report);
  report_load(*of, ended.end.outcome, ended.end.report);
  if (loading_ == of && ended.end.outcome) {
    loading_ = nullptr;
    of->loaded.deliver(
        protocol::load_reply{ended.end.report.bytes_moved, ended.end.report.end_us - ended.end.report.start_us});
    finish_load(of);
  } else {
    // Failed, or abandoned before; what still waits for its shards is told.
    const auto why =
        ended.end.outcome ? core::error{core::errc::cancelled, "the load was abandoned"} : ended.end.outcome.error();
    for (const auto position : of->missing)
      if (!repairs_.contains(of->manifest.shards[position].digest)) of->shards[position].verified->set_failed(why);
    if (loading_ == of)
      abandon(of, why);
    else
      release_if_idle(of);
  }
  go_on();
}

// For the next load's choice of sources, and for what it is held against.
void gpu_worker::learn(const weights::load_report& report) {
  const auto longest = weights::longest_of(report.stages);
  for (const auto& link : report.links) {
    const bool is_limit = link.node == report.limit.from && link.path == report.limit.link;
    const bool held_up = longest == to_string(link.is_disk ? weights::load_wait::disk : weights::load_wait::fetch);
    rates_.used(link.node, link.path, {link.bytes, link.rate_bps, is_limit && held_up, link.is_where_calibrated});
  }
  for (const auto& source : report.sources) {
    if (source.failed)
      rates_.forget(source.node);
    else
      rates_.seen(source.kind, source.node, source.path, {source.bytes, source.rate_bps, source.estimate_bps});
  }
  rates_.fade();
}

// -- loading ----------------------------------------------------------------------------------------------------------

void gpu_worker::drop(queued_load& load, const core::error& why) {
  load.promise.deliver(protocol::to_caf(why));
  for (auto& run : load.runs) run.promise.deliver(protocol::to_caf(why));
}

// What is resident and damaged goes first: requests wait for it.
void gpu_worker::go_on() {
  start_repairs();
  start_next_load();
}

void gpu_worker::note_what_is_waited_for() {
  if (queue_.empty()) return;
  auto& first = queue_.front();
  if (loading_ || repairs_hold_back_loads())
    first.room_us = 0;
  else if (first.room_us == 0)
    first.room_us = options_.environment->clock->now_us();
}

void gpu_worker::start_next_load() {
  note_what_is_waited_for();
  while (!queue_.empty() && leaving_.empty() && !loading_ && !repairs_hold_back_loads()) {
    auto next = std::move(queue_.front());
    queue_.pop_front();
    start_load(std::move(next));
    note_what_is_waited_for();
  }
}

void gpu_worker::start_load(queued_load next) {
  const auto begun_us = options_.environment->clock->now_us();
  const auto digest = weights::digest_of(as_bytes(next.order.manifest));
  if (digest != next.order.manifest_digest) return drop(next, other_manifest_error(next.order, digest));
  auto manifest = weights::decode(as_bytes(next.order.manifest));
  if (!manifest) return drop(next, manifest.error());
  if (next.order.offsets_bytes.size() != manifest->shards.size())
    return drop(next, {core::errc::internal, "the order has not one place for every shard"});
  if (const auto held = sets_.find(next.order.model); held != sets_.end())
    return load_again(held->second, std::move(next));
  const auto of = std::make_shared<set>();
  of->key = {next.order.model, next.order.name};
  of->manifest = std::move(*manifest);
  of->facts = *models::describe(of->manifest.arch); // decoded, so it is there
  of->digest = digest;
  of->order = std::move(next.order);
  of->times = {of->order.decided_us, next.ordered_us, next.room_us, begun_us, begun_us};
  of->hidden_us = next.hidden_us;
  of->loaded = next.promise;
  of->used = ++uses_;
  if (const auto acquired = acquire_shards(*of); !acquired) {
    core::log::error("gpu_worker", "not-as-planned", "{}: {}", options_.name, acquired.error().message);
    drop(next, acquired.error());
    return leave(of);
  }
  sets_[of->key.id] = of;
  of->times.bound_us = options_.environment->clock->now_us();
  for (auto& run : next.runs) submit(of, std::move(run));
  if (!of->missing.empty()) return start_transfer(of);
  weights::load_report nothing_moved;
  nothing_moved.end_us = options_.environment->clock->now_us();
  report_load(*of, {}, nothing_moved);
  of->loaded.deliver(protocol::load_reply{});
  finish_load(of);
}

// Its scheduler does not know that the device holds the set, and has planned without these bytes. `held` by value: it
// leaves sets_.
void gpu_worker::load_again(set_pointer held, queued_load next) { // NOLINT(performance-unnecessary-value-param)
  core::log::warn("gpu_worker", "held-unknown", "{}: {} leaves to be loaded as planned", options_.name, held->key.name);
  queue_.push_front(std::move(next));
  sets_.erase(held->key.id);
  leave(held);
}

// Where the plan of the scheduler has put them (policy/residency): what was planned before is there, what was to go has
// left. Fails only where this memory is not what the plan thinks it is.
core::result<void> gpu_worker::acquire_shards(set& of) {
  for (uint32_t i = 0; i < of.manifest.shards.size(); ++i) {
    const auto& entry = of.manifest.shards[i];
    auto held = table_.acquire(entry.digest, entry.size_bytes, of.order.offsets_bytes[i]);
    if (!held) return core::fail(of.key.name, held.error());
    if (held->must_load) {
      of.missing.push_back(i);
    } else if (!is_own(of, entry.digest)) {
      of.foreign_bytes += entry.size_bytes;
      of.foreign_chunks += static_cast<uint32_t>(entry.chunk_checksums.size());
    }
    options_.device->warm(held->offset_bytes + entry.size_bytes);
    of.shards.push_back(std::move(*held));
  }
  return {};
}

// Does another model of the same tenant have it here? What others have is told to nobody else.
bool gpu_worker::is_own(const set& of, const core::digest& shard) const {
  const auto tenant = of.key.name.substr(0, of.key.name.find('/') + 1);
  return std::ranges::any_of(sets_, [&](const auto& entry) {
    const auto& other = *entry.second;
    return &other != &of && other.key.name.starts_with(tenant) &&
           std::ranges::any_of(other.manifest.shards, [&](const auto& each) { return each.digest == shard; });
  });
}

transfer_options gpu_worker::transfer_for(const set& of) const {
  transfer_options options;
  options.environment = options_.environment;
  options.registration = registration_;
  options.load = of.order.load;
  options.model = of.key.name;
  options.device = options_.name;
  options.manifest = of.digest;
  options.timeout_us = of.order.timeout_us;
  options.directory = directory_;
  options.weight_store = weight_store_;
  options.store = store_;
  options.rates = rates_;
  return options;
}

void gpu_worker::start_transfer(const set_pointer& of) {
  auto options = transfer_for(*of);
  std::vector<std::shared_ptr<gpu::verified_event>> events;
  for (const auto position : of->missing) {
    options.shards.push_back({of->manifest.shards[position], of->shards[position].region});
    events.push_back(of->shards[position].verified);
  }
  const auto notify = notifier<interface>(self_);
  // The run that waits for the shard continues at once; the directory hears of it through the mailbox.
  options.verified = [notify, of, events = std::move(events)](uint32_t shard) {
    events[shard]->set_ok();
    notify(make_local(shard_verified{of, shard}));
  };
  options.part_verified = [notify, of](uint32_t shard, uint32_t chunks) {
    notify(make_local(part_verified{of, shard, chunks}));
  };
  options.ended = [notify, of](transfer_end end) { notify(make_local(load_ended{of, std::move(end)})); };
  loading_ = of;
  of->transfer = self_->spawn<actor_from_state<transfer>, caf::linked>(std::move(options));
}

void gpu_worker::finish_load(const set_pointer& of) {
  of->resident = true;
  uint64_t moved_bytes = 0;
  for (const auto position : of->missing) moved_bytes += of->manifest.shards[position].size_bytes;
  core::log::info("gpu_worker", "loaded", "{} on {}: {} bytes moved in {} us", of->key.name, options_.name, moved_bytes,
                  options_.environment->clock->now_us() - of->times.begun_us);
  report_device();
}

// Ends a load that is under way: runs that wait for it fail when its transfer has ended.
// By value: `of` may be loading_.
void gpu_worker::abandon(set_pointer of, const core::error& why) { // NOLINT(performance-unnecessary-value-param)
  loading_ = nullptr;
  note_what_is_waited_for();
  sets_.erase(of->key.id);
  of->loaded.deliver(protocol::to_caf(why));
  if (of->transfer) self_->send(of->transfer, protocol::cancel_atom_v);
  leave(of);
}

// -- leaving ----------------------------------------------------------------------------------------------------------

void gpu_worker::leave(const set_pointer& of) {
  leaving_.insert(of);
  release_if_idle(of);
}

void gpu_worker::release_if_idle(const set_pointer& of) {
  if (!leaving_.contains(of) || of->releasing || of->runs > 0 || of->transfer) return;
  of->releasing = true;
  of->unreleased = of->shards.size() + 1; // one for this function
  protocol::holdings_dropped dropped{registration_, options_.name, {}};
  std::vector<std::pair<core::digest, protocol::shard_location>> to_withdraw;
  for (size_t i = 0; i < of->shards.size(); ++i) {
    const auto& shard = of->manifest.shards[i].digest;
    const auto exported = exported_.find(shard);
    if (table_.references(shard) > 1 || exported == exported_.end()) {
      release_shard(of, shard);
      continue;
    }
    dropped.shards.push_back(shard);
    to_withdraw.emplace_back(shard, exported->second);
    exported_.erase(exported);
  }
  if (!dropped.shards.empty() && directory_) self_->send(directory_, std::move(dropped));
  const auto notify = notifier<interface>(self_);
  for (const auto& [shard, location] : to_withdraw) {
    options_.environment->exporter->withdraw({location.region, location.generation}, [notify, of, digest = shard] {
      notify(make_local(shard_withdrawn{of, digest}));
    });
  }
  on_shard_withdrawn({of, {}});
}

void gpu_worker::release_shard(const set_pointer& of, const core::digest& shard) {
  const auto before_bytes = options_.device->memory().used_bytes();
  table_.release(shard);
  of->freed_bytes += before_bytes - options_.device->memory().used_bytes();
  --of->unreleased;
}

void gpu_worker::on_shard_withdrawn(const shard_withdrawn& withdrawn) {
  const auto& of = withdrawn.of;
  if (withdrawn.shard == core::digest{})
    --of->unreleased;
  else
    release_shard(of, withdrawn.shard);
  if (of->unreleased > 0) return;
  leaving_.erase(of);
  drop_unwanted_repairs();
  report_left(*of);
  for (auto& promise : of->evicted) promise.deliver(of->freed_bytes);
  report_device();
  if (stopping_) return quit_if_empty();
  go_on();
}

void gpu_worker::quit_if_empty() {
  if (stopping_ && leaving_.empty() && repairs_.empty()) self_->quit(caf::exit_reason::user_shutdown);
}

} // namespace fastptm::actors
