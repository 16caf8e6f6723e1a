// Asks the directory and the store, feeds a weights::loader, answers its hunger.
#include "actors/device/transfer.hpp"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "actors/completion.hpp"
#include "core/log.hpp"
#include "protocol/errors.hpp"

namespace fastptm::actors {

namespace {

using std::chrono::microseconds;

constexpr core::duration_us tick_us = 50'000;
// How long another load may be awaited that brings nothing: it has a bound of its own, this is for one that hangs.
constexpr core::duration_us await_us = 250'000;
constexpr core::duration_us locate_timeout_us = 500'000;
// A damaged object does not get better by reading it again; a lost connection does.
constexpr uint32_t most_attempts = 3;

} // namespace

transfer::transfer(interface::pointer self, transfer_options options)
    : self_(self), options_(std::move(options)), shards_(options_.shards.size()) {}

transfer::interface::behavior_type transfer::make_behavior() {
  start_us_ = options_.environment->clock->now_us();
  loader_ = make_loader();
  locate();
  self_->delayed_send(self_, microseconds(tick_us), protocol::tick_atom_v);
  return {
      [this](const protocol::node_lost& lost) { on_node_lost(lost); },
      [this](const protocol::holder_list& holders) { on_located(holders); },
      [this](protocol::cancel_atom) { on_cancel(); },
      [this](protocol::tick_atom) { on_tick(); },
      [this](const local<starved>& found) { on_starved(*found.value); },
      [this](const local<source_failed>& failed) { on_source_failed(*failed.value); },
      [this](const local<shard_taken>& taken) { on_shard_taken(taken.value->shard); },
      [this](const local<transfer_end>& end) { on_ended(*end.value); },
  };
}

std::shared_ptr<weights::loader> transfer::make_loader() {
  std::vector<weights::shard_to_load> wanted;
  for (const auto& shard : options_.shards) wanted.push_back({shard.target, shard.entry.chunk_checksums});
  const auto notify = notifier<interface>(self_);
  weights::loader_callbacks callbacks;
  callbacks.shard_verified = [notify, verified = options_.verified](uint32_t shard) {
    verified(shard);
    notify(make_local(shard_taken{shard}));
  };
  callbacks.source_failed = [notify](const std::string& node, const core::error& why) {
    notify(make_local(source_failed{node, why}));
  };
  callbacks.starved = [notify](std::vector<uint32_t> shards) { notify(make_local(starved{std::move(shards)})); };
  callbacks.done = [notify](core::result<void> outcome, weights::load_report report) {
    notify(make_local(transfer_end{std::move(outcome), std::move(report)}));
  };
  auto bounds = options_.environment->loader;
  for (const auto& link : options_.links) bounds.calibrated_bps.emplace(link.path, link.rate_bps);
  return weights::loader::make(std::move(bounds), std::move(wanted), *options_.environment->checker,
                               *options_.environment->clock, std::move(callbacks));
}

// -- sources ----------------------------------------------------------------------------------------------------------

void transfer::locate() {
  protocol::locate_request request{options_.environment->node, options_.device, options_.load, {}};
  for (const auto& shard : options_.shards) request.shards.push_back(shard.entry.digest);
  self_->request(options_.directory, microseconds(locate_timeout_us), std::move(request))
      .then([this](const protocol::holder_list& holders) { on_located(holders); },
            [this](const caf::error&) { on_located({}); }); // the store alone may do
}

void transfer::on_located(const protocol::holder_list& holders) {
  if (options_.environment->allowed.contains(policy::source_kind::peer_device)) {
    for (const auto& holder : holders.rows) add_peer(holder);
    await(holders.expected);
  }
  report_sources();
  if (!std::exchange(started_, true)) loader_->start();
  for (uint32_t i = 0; i < shards_.size(); ++i)
    if (shards_[i].stage == staging::none && !shards_[i].offered) stage(i);
}

void transfer::add_peer(const protocol::holder_row& holder) {
  weights::load_source source;
  source.kind = policy::source_kind::peer_device;
  source.peer = to_address(holder.peer);
  source.via = options_.environment->fetcher_to(source.peer);
  if (source.via == nullptr) return;
  for (const auto& location : holder.shards) {
    for (uint32_t i = 0; i < shards_.size(); ++i) {
      if (options_.shards[i].entry.digest != location.shard || shards_[i].verified) continue;
      source.holds.push_back({i, location.region, location.generation, location.offset_bytes});
      shards_[i].offered = true;
      shards_[i].starved = false;
    }
  }
  if (source.holds.empty()) return;
  news_us_ = options_.environment->clock->now_us();
  const auto known = peers_.find(holder.device);
  if (known != peers_.end())
    loader_->add_holdings(known->second, std::move(source.holds));
  else
    peers_[holder.device] = loader_->add_source(std::move(source));
}

// What is awaited no more, because its load has failed, is staged like everything that nobody has.
void transfer::await(const std::vector<core::digest>& expected) {
  for (uint32_t i = 0; i < shards_.size(); ++i) {
    auto& stage = shards_[i].stage;
    const bool wanted = std::find(expected.begin(), expected.end(), options_.shards[i].entry.digest) != expected.end();
    if (stage == staging::none && wanted) stage = staging::awaited;
    if (stage == staging::awaited && !wanted) stage = staging::none;
  }
}

void transfer::stage(uint32_t shard) {
  auto& state = shards_[shard];
  const auto& allowed = options_.environment->allowed;
  const bool memory = allowed.contains(cache_kind()), disk = allowed.contains(policy::source_kind::disk);
  if (!memory && !disk) return on_stage_failed(shard, "the configuration allows no source but devices");
  state.stage = staging::asked;
  ++state.attempts;
  self_
      ->request(options_.weight_store, microseconds(options_.timeout_us),
                protocol::stage_request{options_.manifest, options_.shards[shard].entry.digest, !disk})
      .then([=, this](const protocol::stage_reply& reply) { on_staged(shard, reply); },
            [=, this](const caf::error& failure) { on_stage_failed(shard, protocol::from_caf(failure).message); });
}

void transfer::on_staged(uint32_t shard, const protocol::stage_reply& reply) {
  auto& state = shards_[shard];
  disk_path_ = reply.disk_path;
  if (reply.bad_chunks > 0) loader_->note_bad_chunks(store_source(policy::source_kind::disk), reply.bad_chunks);
  if (reply.staged) {
    state.stage = staging::staged;
    state.starved = false;
    const auto& at = reply.location;
    return loader_->add_holdings(store_source(reply.was_cached ? cache_kind() : policy::source_kind::disk),
                                 {{shard, at.region, at.generation, at.offset_bytes}});
  }
  if (!reply.try_again) return on_stage_failed(shard, reply.error);
  state.stage = staging::again;
  --state.attempts;
}

void transfer::on_stage_failed(uint32_t shard, std::string error) {
  auto& state = shards_[shard];
  state.stage = staging::failed;
  state.error = std::move(error);
  if (state.starved) loader_->give_up({core::errc::unavailable, state.error}); // else a peer has it
}

uint32_t transfer::store_source(policy::source_kind kind) {
  auto& source = kind == policy::source_kind::disk ? disk_source_ : cache_source_;
  if (source) return *source;
  weights::load_source made;
  made.kind = kind;
  made.peer = to_address(options_.store);
  made.via = options_.environment->fetcher_to(made.peer);
  if (kind == policy::source_kind::disk) made.reported_path = disk_path_;
  source = loader_->add_source(std::move(made));
  return *source;
}

policy::source_kind transfer::cache_kind() const {
  return options_.store.boot_id == options_.environment->boot_id ? policy::source_kind::host_cache
                                                                 : policy::source_kind::peer_host;
}

// -- from the loader --------------------------------------------------------------------------------------------------

void transfer::on_starved(const starved& found) {
  for (const auto shard : found.shards) {
    auto& state = shards_[shard];
    state.starved = true;
    const bool on_its_way =
        state.stage == staging::asked || state.stage == staging::again || state.stage == staging::awaited;
    if (on_its_way) continue;
    if (state.attempts >= most_attempts || state.stage == staging::failed) {
      const auto why = state.error.empty() ? "every source has failed" : state.error;
      return loader_->give_up(
          {core::errc::unavailable,
           fmt::format("shard {}: no source left: {}", options_.shards[shard].entry.digest.short_hex(), why)});
    }
    stage(shard);
  }
}

void transfer::on_source_failed(const source_failed& failed) {
  core::log::warn("transfer", "source-failed", "load {}: node {}: {}", options_.load.value, failed.node,
                  failed.why.message);
  if (failed.node == options_.store.node) {
    cache_source_.reset();
    disk_source_.reset();
  }
}

void transfer::on_shard_taken(uint32_t shard) {
  shards_[shard].verified = true;
  shards_[shard].starved = false;
  if (shards_[shard].stage == staging::staged)
    self_->send(options_.weight_store, protocol::release_atom_v, options_.shards[shard].entry.digest);
}

void transfer::on_ended(const transfer_end& end) {
  options_.ended(end);
  self_->quit();
}

// -- from the gpu_worker, timers --------------------------------------------------------------------------------------

void transfer::on_node_lost(const protocol::node_lost& lost) {
  // Its next life may be a source again; one that was slow or lied is not asked again by this load.
  std::erase_if(peers_, [&](const auto& peer) { return peer.first.starts_with(lost.node + "/"); });
  loader_->lose_source(lost.node);
}

void transfer::on_cancel() {
  give_up({core::errc::cancelled, "the load is no longer wanted"});
}

void transfer::report_sources() {
  protocol::running_load running{options_.load, options_.model, options_.device, {}};
  for (const auto& [device, source] : peers_) running.peers.push_back(device);
  self_->send(options_.directory, std::move(running));
}

// A loader that was never started never ends.
void transfer::give_up(core::error why) {
  if (!std::exchange(started_, true)) loader_->start();
  loader_->give_up(std::move(why));
}

void transfer::on_tick() {
  const auto now = options_.environment->clock->now_us();
  self_->delayed_send(self_, microseconds(tick_us), protocol::tick_atom_v);
  if (now - start_us_ > options_.timeout_us) {
    return give_up({core::errc::deadline_exceeded, fmt::format("no end within {} ms", options_.timeout_us / 1000)});
  }
  const bool impatient = now - std::max(news_us_, start_us_) > await_us;
  for (uint32_t i = 0; i < shards_.size(); ++i)
    if (shards_[i].stage == staging::again || (impatient && shards_[i].stage == staging::awaited)) stage(i);
}

} // namespace fastptm::actors
