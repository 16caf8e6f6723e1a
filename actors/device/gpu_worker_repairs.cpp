// What a gpu_worker does about resident shards that were found damaged: out of service, loaded anew, back.
#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "actors/actor_from_state.hpp"
#include "actors/completion.hpp"
#include "actors/device/gpu_worker.hpp"
#include "core/log.hpp"

namespace fastptm::actors {

namespace {

// Until a shard that nobody could give is asked for again: its source may be on the way back.
constexpr core::duration_us first_pause_us = 250'000, longest_pause_us = 30'000'000;

core::duration_us pause_after(uint32_t attempts) {
  return std::min(longest_pause_us, first_pause_us << std::min(attempts, 10u));
}

bool has(const gpu_worker::set& of, const core::digest& shard) {
  return std::ranges::any_of(of.manifest.shards, [&](const auto& entry) { return entry.digest == shard; });
}

} // namespace

// -- out of service ---------------------------------------------------------------------------------------------------

void gpu_worker::on_suspect(const protocol::suspect& doubted) {
  const auto held = exported_.find(doubted.copy.shard);
  if (held == exported_.end() || held->second.region != doubted.copy.region) return; // it has left meanwhile
  core::log::warn("gpu_worker", "suspect", "{}: shard {}: {} has read: {}", options_.name,
                  doubted.copy.shard.short_hex(), doubted.noticed_by,
                  weights::to_text({doubted.chunk, doubted.expected, doubted.found}));
  options_.environment->scrubber->suspect({held->second.region, held->second.generation});
}

void gpu_worker::on_shard_damaged(const shard_damaged& damaged) {
  const auto exported = exported_.find(damaged.shard);
  if (exported == exported_.end() || exported->second.region != damaged.region) return; // it has left meanwhile
  core::log::error("gpu_worker", "shard-damaged", "{}: shard {}: {}", options_.name, damaged.shard.short_hex(),
                   to_text(damaged.what));
  ++damaged_shards_;
  const auto through = set_with(damaged.shard);
  if (!through) return; // what has it is leaving
  const auto location = exported->second;
  exported_.erase(exported);
  if (directory_) self_->send(directory_, protocol::holdings_dropped{registration_, options_.name, {damaged.shard}});
  const auto of = begin_repair(damaged.shard, through);
  options_.environment->exporter->withdraw(
      {location.region, location.generation},
      [notify = notifier<interface>(self_), of] { notify(make_local(reader_left{of})); });
  report_device();
}

gpu_worker::set_pointer gpu_worker::set_with(const core::digest& shard) const {
  const auto found = std::ranges::find_if(sets_, [&](const auto& entry) { return has(*entry.second, shard); });
  return found == sets_.end() ? nullptr : found->second;
}

// Runs from now on wait for a new event; those that have begun may have read anything.
gpu_worker::repair_pointer gpu_worker::begin_repair(const core::digest& shard, const set_pointer& through) {
  const auto event = table_.doubt(shard);
  for (const auto& [id, of] : sets_)
    for (size_t i = 0; i < of->shards.size(); ++i)
      if (of->manifest.shards[i].digest == shard) of->shards[i].verified = event;
  const auto held = *table_.find(shard);
  const auto of = std::make_shared<repair>();
  of->shard = shard;
  of->through = through;
  of->place = *table_.acquire(shard, held.region.size_bytes, held.offset_bytes);
  of->readers = 1; // the peers, until it is withdrawn
  for (auto& [batch, run] : runs_) {
    if (!has(*run.of, shard)) continue;
    run.spoilt_by.push_back(of);
    ++of->readers;
  }
  repairs_[shard] = of;
  return of;
}

void gpu_worker::on_reader_left(const reader_left& left) {
  --left.of->readers;
  drop_unwanted_repairs();
  go_on();
}

// -- loaded anew ------------------------------------------------------------------------------------------------------

// One transfer brings what is ready of one set, whose manifest the store and peers know.
void gpu_worker::start_repairs() {
  if (stopping_ || loading_ || repair_transfer_ || !directory_) return;
  const auto now = options_.environment->clock->now_us();
  set_pointer through;
  std::vector<repair_pointer> ready;
  for (const auto& [shard, of] : repairs_) {
    if (of->readers > 0 || of->next_us > now || !is_wanted(*of)) continue;
    const auto has_it = set_with(shard);
    if (!has_it || (through && through != has_it)) continue;
    of->through = has_it;
    through = of->through;
    ready.push_back(of);
  }
  if (through) start_repairs_of(*through, std::move(ready));
}

void gpu_worker::start_repairs_of(const set& through, std::vector<repair_pointer> ready) {
  auto options = transfer_for(through);
  for (const auto& of : ready) {
    const auto entry =
        std::ranges::find_if(through.manifest.shards, [&](const auto& each) { return each.digest == of->shard; });
    options.shards.push_back({*entry, of->place.region});
  }
  const auto notify = notifier<interface>(self_);
  options.verified = [notify, ready](uint32_t shard) {
    ready[shard]->place.verified->set_ok();
    notify(make_local(shard_repaired{ready[shard]}));
  };
  options.ended = [notify](transfer_end end) { notify(make_local(repairs_ended{std::move(end)})); };
  repairing_ = std::move(ready);
  repair_transfer_ = self_->spawn<actor_from_state<transfer>, caf::linked>(std::move(options));
}

// Every byte of it has come: nothing writes there any more.
void gpu_worker::on_shard_repaired(const shard_repaired& repaired) {
  const auto of = repaired.of;
  ++repaired_shards_;
  core::log::info("gpu_worker", "shard-repaired", "{}: shard {}", options_.name, of->shard.short_hex());
  if (is_wanted(*of)) {
    const auto& shards = of->through->manifest.shards;
    const auto& entry = *std::ranges::find_if(shards, [&](const auto& each) { return each.digest == of->shard; });
    export_whole(of->place, entry);
    unreported_.insert(of->shard);
    send_holdings();
  }
  std::erase(repairing_, of);
  repairs_.erase(of->shard);
  table_.release(of->shard);
}

void gpu_worker::on_repairs_ended(const repairs_ended& ended) {
  repair_transfer_ = nullptr;
  learn(ended.end.report);
  for (const auto& of : std::exchange(repairing_, {})) { // the others
    const auto pause_us = pause_after(of->attempts++);
    of->next_us = options_.environment->clock->now_us() + pause_us;
    self_->delayed_send(self_, std::chrono::microseconds(pause_us), protocol::tick_atom_v);
    core::log::error("gpu_worker", "not-repaired", "{}: shard {}: {}; again in {} ms", options_.name,
                     of->shard.short_hex(), ended.end.outcome ? "it did not come" : ended.end.outcome.error().message,
                     pause_us / 1000);
  }
  drop_unwanted_repairs();
  report_device();
  stopping_ ? quit_if_empty() : go_on();
}

// -- given up ---------------------------------------------------------------------------------------------------------

// By anybody but the repair itself.
bool gpu_worker::is_wanted(const repair& of) const {
  return table_.references(of.shard) > 1;
}

void gpu_worker::cancel_repairs() {
  if (repair_transfer_) self_->send(repair_transfer_, protocol::cancel_atom_v);
}

void gpu_worker::drop_unwanted_repairs() {
  for (auto next = repairs_.begin(); next != repairs_.end();) {
    const auto of = (next++)->second;
    if (is_wanted(*of) || of->readers > 0) continue;
    if (std::ranges::find(repairing_, of) != repairing_.end()) {
      cancel_repairs();
      continue;
    }
    of->place.verified->set_failed({core::errc::cancelled, "the set was evicted"});
    repairs_.erase(of->shard);
    table_.release(of->shard);
  }
}

// Their bytes are planned for others, and a device has one transfer at a time.
bool gpu_worker::repairs_hold_back_loads() const {
  return repair_transfer_ || std::ranges::any_of(repairs_, [&](const auto& each) { return !is_wanted(*each.second); });
}

} // namespace fastptm::actors
