// Asks the directory and the store, feeds a weights::loader, answers its hunger.
#include "actors/device/transfer.hpp"

#include <algorithm>
#include <chrono>
#include <numeric>

#include <fmt/format.h>

#include "actors/completion.hpp"
#include "core/log.hpp"
#include "protocol/errors.hpp"

namespace fastptm::actors {

namespace {

using std::chrono::microseconds;

constexpr core::duration_us locate_timeout_us = 500'000;

policy::staging_options staging_of(const transfer_options& options) {
  policy::staging_options out;
  out.timeout_us = options.timeout_us;
  return out;
}

static_assert(protocol::shard_location::all_chunks == policy::fetch_plan::all_chunks,
              "they pass from one to the other");

weights::shard_location to_location(uint32_t shard, const protocol::shard_location& at) {
  return {shard, at.region, at.generation, at.offset_bytes, at.chunks};
}

bool is_same_place(const protocol::shard_location& one, const protocol::shard_location& other) {
  return one.region == other.region && one.generation == other.generation && one.offset_bytes == other.offset_bytes &&
         one.chunks == other.chunks;
}

} // namespace

transfer::transfer(interface::pointer self, transfer_options options)
    : self_(self), options_(std::move(options)),
      staging_(staging_of(options_), static_cast<uint32_t>(options_.shards.size()),
               options_.environment->clock->now_us()) {
  for (uint32_t i = 0; i < options_.shards.size(); ++i) numbers_[options_.shards[i].entry.digest].push_back(i);
}

transfer::interface::behavior_type transfer::make_behavior() {
  loader_ = make_loader();
  std::vector<uint32_t> all(options_.shards.size());
  std::iota(all.begin(), all.end(), 0);
  locate(std::move(all));
  look_later();
  return {
      [this](const protocol::node_lost& lost) { on_node_lost(lost); },
      [this](const protocol::holder_list& holders) { on_located(holders); },
      [this](const protocol::stage_progress& progress) { on_stage_progress(progress); },
      [this](protocol::cancel_atom) { on_cancel(); },
      [this](protocol::tick_atom) { on_tick(); },
      [this](const local<starved>&) { on_starved(); },
      [this](const local<source_failed>& failed) { on_source_failed(*failed.value); },
      [this](const local<shard_taken>& taken) { on_shard_taken(taken.value->shard); },
      [this](const local<look_due>& due) { on_look_due(due.value->at_us); },
      [this](const local<transfer_end>& end) { on_ended(*end.value); },
  };
}

std::shared_ptr<weights::loader> transfer::make_loader() {
  std::vector<weights::shard_to_load> wanted;
  wanted.reserve(options_.shards.size());
  for (const auto& shard : options_.shards) wanted.push_back({shard.target, shard.entry.chunk_checksums});
  const auto notify = notifier<interface>(self_);
  weights::loader_callbacks callbacks;
  callbacks.shard_verified = [notify, verified = options_.verified](uint32_t shard) {
    verified(shard);
    notify(make_local(shard_taken{shard}));
  };
  callbacks.part_verified = options_.part_verified;
  callbacks.source_failed = [notify](const std::string& node, const core::error& why) {
    notify(make_local(source_failed{node, why}));
  };
  callbacks.starved = [notify](const std::vector<uint32_t>&) { notify(make_local(starved{})); };
  callbacks.look_at = [notify](core::time_us at_us) { notify(make_local(look_due{at_us})); };
  callbacks.done = [notify](core::result<void> outcome, weights::load_report report) {
    notify(make_local(transfer_end{std::move(outcome), std::move(report)}));
  };
  auto bounds = options_.environment->loader;
  bounds.rates = options_.rates;
  return weights::loader::make(std::move(bounds), std::move(wanted), *options_.environment->checker,
                               *options_.environment->clock, std::move(callbacks));
}

// -- sources ----------------------------------------------------------------------------------------------------------

void transfer::locate(std::vector<uint32_t> shards) {
  if (shards.empty()) return;
  protocol::locate_request request{options_.device, options_.load, {}};
  for (const auto shard : shards) request.shards.push_back(options_.shards[shard].entry.digest);
  self_->request(options_.directory, microseconds(locate_timeout_us), options_.registration, std::move(request))
      .then([this, shards](const protocol::holder_list& holders) { on_answer(shards, holders); },
            [this, shards](const caf::error&) { on_answer(shards, {}); }); // the store alone may do
}

void transfer::on_answer(const std::vector<uint32_t>& shards, const protocol::holder_list& holders) {
  const auto now = options_.environment->clock->now_us();
  for (const auto shard : shards) staging_.looked(shard, now);
  on_located(holders);
  on_starved(); // what nobody else has is asked of the store
}

void transfer::on_located(const protocol::holder_list& holders) {
  bool is_new = false;
  if (options_.environment->allowed.contains(policy::source_kind::peer_device)) {
    for (const auto& holder : holders.rows) is_new |= add_peer(holder);
    expect(holders.not_expected, false);
    expect(holders.expected, true);
  }
  if (is_new || !started_) report_sources();
  if (!std::exchange(started_, true)) loader_->start();
  for (const auto shard : staging_.located()) stage(shard);
  look_later();
}

void transfer::expect(const std::vector<core::digest>& shards, bool is_expected) {
  const auto now = options_.environment->clock->now_us();
  for (const auto& digest : shards)
    if (const auto found = numbers_.find(digest); found != numbers_.end())
      for (const auto shard : found->second) {
        staging_.expected(shard, is_expected, now);
        if (is_expected && staging_.awaits(shard)) loader_->note_wait(shard, weights::load_wait::await);
      }
}

// Whether it has not been a source before. What is known of it already is no news: it may be out.
bool transfer::add_peer(const protocol::holder_row& holder) {
  weights::load_source source;
  source.kind = policy::source_kind::peer_device;
  source.peer = to_address(holder.peer);
  source.via = options_.environment->fetcher_to(source.peer);
  if (source.via == nullptr) return false;
  source.is_where_calibrated = is_where_calibrated(source.peer);
  const auto now = options_.environment->clock->now_us();
  auto known = peers_.find(holder.device);
  if (known != peers_.end() && known->second.incarnation != holder.peer.incarnation) { // that life is over
    peers_.erase(known);
    known = peers_.end();
  }
  std::map<uint32_t, protocol::shard_location> held;
  for (const auto& location : holder.shards) {
    const auto found = numbers_.find(location.shard);
    if (found == numbers_.end()) continue;
    for (const auto shard : found->second) {
      const bool is_known = known != peers_.end() && known->second.holds.contains(shard) &&
                            is_same_place(known->second.holds.at(shard), location);
      if (is_known) continue;
      if (!(location.is_whole() ? staging_.offered(shard, now) : staging_.partly_offered(shard, now))) continue;
      source.holds.push_back(to_location(shard, location));
      held[shard] = location;
    }
  }
  if (source.holds.empty()) return false;
  if (known == peers_.end()) {
    peers_[holder.device] = {holder.peer.incarnation, loader_->add_source(std::move(source)), std::move(held)};
    return true;
  }
  loader_->add_holdings(known->second.source, source.holds);
  for (const auto& [shard, location] : held) known->second.holds[shard] = location;
  return false;
}

// Paths were calibrated on the host of the store.
bool transfer::is_where_calibrated(const transport::peer_address& peer) const {
  return peer.boot_id == options_.environment->boot_id && peer.boot_id == options_.store.boot_id;
}

void transfer::stage(uint32_t shard) {
  const auto& allowed = options_.environment->allowed;
  const bool memory = allowed.contains(cache_kind()), disk = allowed.contains(policy::source_kind::disk);
  if (!memory && !disk) return on_stage_failed(shard, "the configuration allows no source but devices");
  loader_->note_wait(shard, weights::load_wait::disk);
  self_
      ->request(options_.weight_store, microseconds(options_.timeout_us),
                protocol::stage_request{options_.manifest, options_.shards[shard].entry.digest, !disk})
      .then([=, this](const protocol::stage_reply& reply) { on_staged(shard, reply); },
            [=, this](const caf::error& failure) { on_stage_failed(shard, protocol::from_caf(failure).message); });
}

void transfer::on_stage_progress(const protocol::stage_progress& progress) {
  disk_path_ = progress.disk_path;
  const auto& at = progress.location;
  const auto found = numbers_.find(at.shard);
  if (found == numbers_.end()) return;
  for (const auto shard : found->second)
    if (staging_.is_asked(shard))
      loader_->add_holdings(store_source(policy::source_kind::disk), {to_location(shard, at)});
}

void transfer::on_staged(uint32_t shard, const protocol::stage_reply& reply) {
  disk_path_ = reply.disk_path;
  if (reply.bad_chunks > 0) loader_->note_bad_chunks(store_source(policy::source_kind::disk), reply.bad_chunks);
  if (!reply.staged) return on_stage_failed(shard, reply.error);
  if (staging_.staged(shard)) return release(shard);
  const auto& at = reply.location;
  const auto source = store_source(reply.was_cached ? cache_kind() : policy::source_kind::disk);
  if (!reply.was_cached) loader_->note_read(source, options_.shards[shard].entry.size_bytes, reply.read_us);
  loader_->add_holdings(source, {to_location(shard, at)});
}

void transfer::release(uint32_t shard) {
  self_->send(options_.weight_store, protocol::release_atom_v, options_.shards[shard].entry.digest);
}

void transfer::on_stage_failed(uint32_t shard, std::string error) {
  if (const auto why = staging_.refused(shard, std::move(error))) loader_->give_up({core::errc::unavailable, *why});
  on_starved();
}

// The store looks at a doubted copy before it answers a staging of the shard that comes behind this. What it gives then
// is a source anew, with a number of its own: the one that lied gets no more of this load.
void transfer::tell_of_wrong_bytes() {
  for (const auto& [source, kind, from, what] : loader_->take_wrong_bytes()) {
    const auto& shard = options_.shards[from.shard].entry;
    core::log::warn("transfer", "wrong-bytes", "load {}: shard {} from {}: {}", options_.load.value,
                    shard.digest.short_hex(), to_string(kind), to_text(what));
    const protocol::suspect doubted{{shard.digest, from.region, from.generation, from.offset_bytes, shard.size_bytes},
                                    options_.device,
                                    what.chunk,
                                    what.expected,
                                    what.found};
    if (kind == policy::source_kind::peer_device) {
      tell_peer(source, doubted);
      continue;
    }
    self_->send(options_.weight_store, doubted);
    if (source != cache_source_ && source != disk_source_) continue; // it is out already
    staging_.doubted(from.shard);
    cache_source_.reset();
    disk_source_.reset();
  }
}

// It may be the way from there: who holds the copy knows when it has looked.
void transfer::tell_peer(uint32_t source, const protocol::suspect& doubted) {
  for (const auto& [device, known] : peers_)
    if (known.source == source) self_->send(options_.directory, options_.registration, device, doubted);
}

uint32_t transfer::store_source(policy::source_kind kind) {
  auto& source = kind == policy::source_kind::disk ? disk_source_ : cache_source_;
  if (source) return *source;
  weights::load_source made;
  made.kind = kind;
  made.peer = to_address(options_.store);
  made.via = options_.environment->fetcher_to(made.peer);
  if (kind == policy::source_kind::disk) made.reported_path = disk_path_;
  made.is_where_calibrated = kind == policy::source_kind::disk || is_where_calibrated(made.peer);
  source = loader_->add_source(std::move(made));
  return *source;
}

policy::source_kind transfer::cache_kind() const {
  return options_.store.boot_id == options_.environment->boot_id ? policy::source_kind::host_cache
                                                                 : policy::source_kind::peer_host;
}

// -- from the loader --------------------------------------------------------------------------------------------------

void transfer::on_starved() {
  using answer = policy::staging::answer;
  std::vector<uint32_t> again;
  const auto hungry = loader_->starved_shards(); // a source may have come before this message did
  tell_of_wrong_bytes();
  for (const auto shard : hungry) {
    const auto then = staging_.starved(shard);
    if (then == answer::look) again.push_back(shard);
    if (then == answer::ask) stage(shard);
    if (then != answer::give_up) continue;
    const auto& why = staging_.why(shard);
    return loader_->give_up({core::errc::unavailable, fmt::format("shard {}: no source left: {}",
                                                                  options_.shards[shard].entry.digest.short_hex(),
                                                                  why.empty() ? "every source has failed" : why)});
  }
  locate(std::move(again));
}

void transfer::on_source_failed(const source_failed& failed) {
  tell_of_wrong_bytes();
  core::log::warn("transfer", "source-failed", "load {}: node {}: {}", options_.load.value, failed.node,
                  failed.why.message);
  if (failed.node == options_.store.node) {
    cache_source_.reset();
    disk_source_.reset();
  }
}

void transfer::on_shard_taken(uint32_t shard) {
  if (staging_.verified(shard)) release(shard);
}

// A timer that is set keeps the actor, up to its patience, but no longer what the actor has kept.
void transfer::on_ended(const transfer_end& end) {
  tell_of_wrong_bytes();
  options_.ended(end);
  self_->quit();
  loader_ = nullptr;
  options_ = {};
}

// -- from the gpu_worker, timers --------------------------------------------------------------------------------------

void transfer::on_node_lost(const protocol::node_lost& lost) {
  // Its next life may be a source again; one that was slow or lied is not asked again by this load.
  std::erase_if(peers_, [&](const auto& peer) {
    return peer.first.starts_with(lost.node + "/") && peer.second.incarnation == lost.incarnation;
  });
  loader_->lose_source(lost.node, lost.incarnation);
}

void transfer::on_cancel() {
  give_up({core::errc::cancelled, "the load is no longer wanted"});
}

void transfer::report_sources() {
  protocol::running_load running{options_.load, options_.model, options_.device, {}};
  for (const auto& [device, known] : peers_) running.peers.push_back(device);
  self_->send(options_.directory, options_.registration, std::move(running));
}

// A loader that was never started never ends.
void transfer::give_up(core::error why) {
  if (!std::exchange(started_, true)) loader_->start();
  loader_->give_up(std::move(why));
}

// Timers fire where something may have become due; one that came too early sets the next.
void transfer::on_tick() {
  looks_us_ = 0;
  const auto now = options_.environment->clock->now_us();
  if (staging_.timed_out(loader_->progress_us(), now)) {
    return give_up(
        {core::errc::deadline_exceeded, fmt::format("no chunk has come within {} ms", options_.timeout_us / 1000)});
  }
  locate(staging_.overdue(now));
  if (now >= loader_looks_us_) {
    loader_looks_us_ = std::numeric_limits<core::time_us>::max(); // it says anew when
    loader_->look();
  }
  look_later();
}

void transfer::on_look_due(core::time_us at_us) {
  loader_looks_us_ = at_us;
  look_later();
}

void transfer::look_later() {
  const auto at_us = std::min(staging_.next_look_us(loader_->progress_us()), loader_looks_us_);
  if (looks_us_ != 0 && looks_us_ <= at_us) return;
  looks_us_ = at_us;
  const auto pause_us = std::max<core::duration_us>(0, at_us - options_.environment->clock->now_us());
  self_->delayed_send(self_, microseconds(pause_us), protocol::tick_atom_v);
}

} // namespace fastptm::actors
