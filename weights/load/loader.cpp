// The loader's state machine: plan under the lock, calls outside of it.
#include "weights/load/loader.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/check.hpp"
#include "core/mutex.hpp"
#include "weights/format/hash.hpp"

namespace fastptm::weights {

namespace {

std::vector<uint64_t> sizes_of(const std::vector<shard_to_load>& shards) {
  std::vector<uint64_t> sizes;
  for (const auto& shard : shards) {
    core::check(shard.chunk_checksums.size() == chunk_count(shard.target.size_bytes), "every chunk has a checksum");
    sizes.push_back(shard.target.size_bytes);
  }
  return sizes;
}

policy::fetch_failure failure_of(const core::error& why) {
  switch (why.code) {
    case core::errc::not_found:
      return policy::fetch_failure::range;
    case core::errc::busy:
      return policy::fetch_failure::busy;
    case core::errc::deadline_exceeded:
      return policy::fetch_failure::silent;
    default:
      return policy::fetch_failure::source;
  }
}

} // namespace

std::shared_ptr<loader> loader::make(loader_options options, std::vector<shard_to_load> shards, verifier& checker,
                                     const core::clock& clock, loader_callbacks callbacks) {
  return std::shared_ptr<loader>(
      new loader(std::move(options), std::move(shards), checker, clock, std::move(callbacks)));
}

loader::loader(loader_options options, std::vector<shard_to_load> shards, verifier& checker, const core::clock& clock,
               loader_callbacks callbacks)
    : options_(std::move(options)), shards_(std::move(shards)), checker_(checker), clock_(clock),
      callbacks_(std::move(callbacks)), plan_(options_.plan, sizes_of(shards_)), buffers_(options_.plan.hedges),
      path_(clock.now_us()), waits_(shards_.size()) {
  core::check(options_.plan.chunk_bytes == chunk_bytes, "chunks are what the checksums were made of");
}

// -- from the owner ---------------------------------------------------------------------------------------------------

uint32_t loader::add_source(load_source source) {
  const auto path = source.reported_path.empty() ? std::string(transport::to_string(source.via->path_to(source.peer)))
                                                 : source.reported_path;
  auto state = std::make_unique<source_state>();
  state->report.kind = source.kind;
  state->report.node = source.peer.node;
  state->report.path = source.reported_path;
  auto holds = std::move(source.holds);
  state->what = std::move(source);
  core::mutex_lock lock(mutex_);
  const auto number =
      plan_.add_source(state->what.kind, options_.rates.rate_bps(state->what.kind, state->what.peer.node, path));
  sources_.push_back(std::move(state));
  lock.unlock();
  add_holdings(number, holds);
  return number;
}

void loader::add_holdings(uint32_t source, const std::vector<shard_location>& holds) {
  if (holds.empty()) return;
  actions out;
  {
    const core::mutex_lock lock(mutex_);
    for (const auto& held : holds) {
      plan_.add_holding(source, held.shard, held.chunks);
      sources_[source]->holds[held.shard] = held;
      note_held(source, held);
    }
    last_starved_.clear();
    drive(out); // the source may be out already
    ++calls_out_;
  }
  run(std::move(out));
}

void loader::note_bad_chunks(uint32_t source, uint32_t chunks) {
  core::mutex_lock lock(mutex_);
  bad_ += chunks;
  if (chunks > 0) sources_[source]->report.failed = true;
}

void loader::note_read(uint32_t source, uint64_t bytes, core::duration_us took_us) {
  const core::mutex_lock lock(mutex_);
  sources_[source]->read_bytes += bytes;
  sources_[source]->read_us += took_us;
}

void loader::note_wait(uint32_t shard, load_wait what) {
  const core::mutex_lock lock(mutex_);
  auto& wait = waits_[shard];
  if (!wait.over) wait = {what, path_.after(wait.since, wait.what, clock_.now_us()), false};
}

void loader::start() {
  actions out;
  {
    const core::mutex_lock lock(mutex_);
    core::check(!started_, "a loader starts once");
    started_ = true;
    start_us_ = clock_.now_us();
    note_event(stage_clock::beginning, load_wait::plan);
    drive(out);
    ++calls_out_;
  }
  run(std::move(out));
}

void loader::look() {
  actions out;
  {
    const core::mutex_lock lock(mutex_);
    look_us_ = never_us;
    drive(out);
    ++calls_out_;
  }
  run(std::move(out));
}

void loader::lose_source(const std::string& node, uint64_t incarnation) {
  actions out;
  {
    const core::mutex_lock lock(mutex_);
    for (uint32_t i = 0; i < sources_.size(); ++i) {
      const auto& what = sources_[i]->what;
      if (what.peer.node != node || what.peer.incarnation != incarnation) continue;
      if (!plan_.is_lost(i)) note_lost(i, {core::errc::unavailable, fmt::format("{} was declared lost", node)}, out);
      plan_.lose_source(i);
      // A cancelled fetch may wait for bytes that a hung peer has begun to send; a closed peer's does not.
      out.closes.emplace_back(what.via, what.peer);
    }
    drive(out);
    ++calls_out_;
  }
  run(std::move(out));
}

std::vector<uint32_t> loader::starved_shards() {
  const core::mutex_lock lock(mutex_);
  if (giving_up_ || finished_) return {};
  return plan_.starved_shards();
}

std::vector<wrong_bytes> loader::take_wrong_bytes() {
  const core::mutex_lock lock(mutex_);
  return std::exchange(wrong_, {});
}

core::time_us loader::progress_us() {
  const core::mutex_lock lock(mutex_);
  return progress_us_;
}

void loader::give_up(core::error why) {
  actions out;
  {
    const core::mutex_lock lock(mutex_);
    if (finished_ || giving_up_) return;
    giving_up_ = std::move(why);
    for (uint32_t i = 0; i < sources_.size(); ++i) doom_flights_of(i, out);
    ++calls_out_;
  }
  run(std::move(out));
}

// -- completions ------------------------------------------------------------------------------------------------------

void loader::on_fetched(uint64_t token, core::result<transport::fetched> result) {
  actions out;
  {
    const core::mutex_lock lock(mutex_);
    const auto one = take_flight(token);
    if (result)
      note_landed(one, *result, out);
    else
      note_failed(one, failure_of(result.error()), result.error(), out);
    drive(out);
    ++calls_out_;
  }
  run(std::move(out));
}

void loader::on_checked(const arrival& what, uint64_t checksum) {
  actions out;
  {
    const core::mutex_lock lock(mutex_);
    --checks_;
    note_event(what.queued ? path_.later(what.landed, last_checked_) : what.landed, load_wait::verify);
    last_checked_ = latest_;
    note_checked(what, checksum, out);
    drive(out);
    ++calls_out_;
  }
  run(std::move(out));
}

// -- locked -----------------------------------------------------------------------------------------------------------

loader::flight loader::take_flight(uint64_t token) {
  const auto found = flights_.find(token);
  core::check(found != flights_.end(), "a fetch completes once");
  const auto one = found->second;
  flights_.erase(found);
  return one;
}

void loader::note_landed(const flight& one, const transport::fetched& got, actions& out) {
  const auto& fetch = one.fetch;
  const auto now = clock_.now_us();
  note_event(one.asked, one.doomed ? load_wait::retry : load_wait::fetch);
  auto& source = *sources_[fetch.source];
  source.last_us = last_land_us_ = now;
  if (source.first_landed == stage_clock::beginning) {
    source.first_landed = latest_;
    source.first_bytes = fetch.length_bytes;
  }
  if (source.report.path.empty()) source.report.path = transport::to_string(got.way);
  if (fetch.hedge && got.checksum && *got.checksum != checksum_of(fetch)) {
    const auto failure = got.may_be_torn ? policy::fetch_failure::torn : policy::fetch_failure::lie;
    if (plan_.on_failed(fetch, failure, now) == policy::chunk_place::queue) ++refetched_;
    return note_wrong({fetch, got.may_be_torn, nullptr, one.asked}, *got.checksum, out);
  }
  if (plan_.is_hedged(fetch)) doom_twins_of(fetch, out);
  const auto place = plan_.on_landed(fetch, now);
  arrival came{fetch, got.may_be_torn, nullptr, one.asked, latest_};
  if (place == policy::chunk_place::buffer) came.buffer = buffer_of(fetch);
  if (place == policy::chunk_place::buffer) return check_later(came, out);
  if (place != policy::chunk_place::target) return;
  if (got.checksum) return note_checked(came, *got.checksum, out);
  check_later(came, out);
}

void loader::note_failed(const flight& one, policy::fetch_failure failure, const core::error& why, actions& out) {
  using policy::fetch_failure;
  const auto source = one.fetch.source;
  const bool was_lost = plan_.is_lost(source);
  if (one.doomed) failure = fetch_failure::cancelled;
  const auto place = plan_.on_failed(one.fetch, failure, clock_.now_us());
  const bool was_refused = failure == fetch_failure::busy || failure == fetch_failure::busy_here;
  note_event(one.asked, was_refused ? load_wait::busy : load_wait::retry);
  if (place == policy::chunk_place::queue && !was_refused) ++refetched_;
  if (place == policy::chunk_place::buffer) {
    const auto& hedge = plan_.hedge_of(one.fetch);
    check_later({hedge, false, buffer_of(hedge), one.asked, latest_}, out);
  }
  if (!one.doomed) last_failure_ = why.message;
  if (!was_lost && plan_.is_lost(source)) note_lost(source, why, out);
}

void loader::check_later(arrival what, actions& out) {
  what.queued = checks_++ >= std::max(checker_.threads(), 1u);
  out.checks.push_back(what);
}

void loader::note_checked(const arrival& what, uint64_t checksum, actions& out) {
  const auto& fetch = what.fetch;
  if (checksum != checksum_of(fetch)) {
    ++refetched_;
    note_event(what.asked, load_wait::retry);
    plan_.on_bad(fetch, what.may_be_torn ? policy::fetch_failure::torn : policy::fetch_failure::lie);
    return note_wrong(what, checksum, out);
  }
  ++verified_;
  bytes_ += fetch.length_bytes;
  auto& report = sources_[fetch.source]->report;
  report.bytes += fetch.length_bytes;
  ++report.chunks;
  progress_us_ = clock_.now_us();
  const auto first_ones = plan_.first_verified(fetch.shard);
  if (!plan_.on_verified(fetch)) {
    if (const auto now = plan_.first_verified(fetch.shard); now > first_ones) out.parts.emplace_back(fetch.shard, now);
    return;
  }
  out.verified.push_back(fetch.shard);
}

void loader::note_wrong(const arrival& what, uint64_t found, actions& out) {
  const auto& fetch = what.fetch;
  if (what.may_be_torn && plan_.state(fetch.source) != policy::source_state::liar) return; // this time
  ++bad_;
  auto& source = *sources_[fetch.source];
  const wrong_chunk wrong{fetch.chunk, checksum_of(fetch), found};
  wrong_.push_back({fetch.source, source.what.kind, source.holds.at(fetch.shard), wrong});
  if (std::exchange(source.lied, true)) return;
  auto text = fmt::format("shard {} from {}: {}", fetch.shard, source.what.peer.node, to_text(wrong));
  note_lost(fetch.source, {core::errc::corrupt, std::move(text)}, out);
}

// The plan asks nothing of it any more, or not for a while.
void loader::note_lost(uint32_t source, const core::error& why, actions& out) {
  auto& report = sources_[source]->report;
  report.failed = true;
  report.failure = last_failure_ = why.message;
  doom_flights_of(source, out);
  out.failures.emplace_back(report.node, why);
}

void loader::doom(flight& one, actions& out) {
  if (std::exchange(one.doomed, true) || !one.accepted) return;
  out.cancels.emplace_back(sources_[one.fetch.source]->what.via, one.id);
}

void loader::doom_flights_of(uint32_t source, actions& out) {
  for (auto& [token, one] : flights_)
    if (one.fetch.source == source) doom(one, out);
}

void loader::doom_twins_of(const policy::chunk_fetch& fetch, actions& out) {
  for (auto& [token, one] : flights_)
    if (one.fetch.shard == fetch.shard && one.fetch.chunk == fetch.chunk) doom(one, out);
}

void loader::drive(actions& out) {
  if (!started_ || giving_up_ || finished_) return;
  const auto now = clock_.now_us();
  leave_crawling(now, out);
  plan_more(now, out);
  look_for_starved(now, out);
  has_happened_ = false;
  const auto look_us = plan_.next_look_us();
  if (look_us >= look_us_) return;
  out.look_at_us = look_us_ = look_us;
}

void loader::leave_crawling(core::time_us now, actions& out) {
  for (const auto source : plan_.look(now)) {
    const auto& what = sources_[source]->what;
    auto text = fmt::format("{} crawls: no chunk in {} s", what.peer.node, options_.plan.crawl_us / 1'000'000);
    note_lost(source, {core::errc::deadline_exceeded, std::move(text)}, out);
    out.closes.emplace_back(what.via, what.peer); // as of one that hangs
  }
}

void loader::plan_more(core::time_us now, actions& out) {
  const auto meanwhile = !flights_.empty() ? load_wait::fetch : checks_ > 0 ? load_wait::verify : load_wait::busy;
  while (const auto next = plan_.next(now)) {
    const auto token = ++last_token_;
    flights_.emplace(token, flight{*next, {}, false, false, cause_of(*next, meanwhile, now)});
    auto& source = *sources_[next->source];
    if (!source.first_us) source.first_us = now;
    if (!first_ask_us_) first_ask_us_ = now;
    out.launches.push_back(token);
  }
}

void loader::look_for_starved(core::time_us now, actions& out) {
  auto starved = plan_.starved_shards();
  if (!starved.empty() && plan_.give_second_chances()) {
    plan_more(now, out);
    starved = plan_.starved_shards();
  }
  if (starved.empty() || starved == last_starved_) return;
  last_starved_ = starved;
  for (const auto shard : starved)
    if (auto& wait = waits_[shard]; wait.over) wait = {load_wait::plan, latest_, false, wait.in_parts};
  if (callbacks_.starved) {
    out.starved = std::move(starved);
    return;
  }
  giving_up_ = core::error{core::errc::unavailable,
                           fmt::format("no source is left for shards {}{}{}", fmt::join(starved, ", "),
                                       last_failure_.empty() ? "" : "; the last failure was: ", last_failure_)};
  for (uint32_t i = 0; i < sources_.size(); ++i) doom_flights_of(i, out);
}

// -- what time was spent on -------------------------------------------------------------------------------------------

void loader::note_event(stage_clock::moment cause, load_wait what) {
  latest_ = path_.after(cause, what, clock_.now_us());
  has_happened_ = true;
}

// What the store has in memory was not read for this load: only asked for. What comes in parts was waited for, whatever
// else was thought meanwhile.
void loader::note_held(uint32_t source, const shard_location& held) {
  auto& wait = waits_[held.shard];
  wait.in_parts |= held.chunks != policy::fetch_plan::all_chunks;
  if (wait.over) return;
  const bool is_read = sources_[source]->what.kind == policy::source_kind::disk;
  if (is_read)
    wait.what = load_wait::disk;
  else if (wait.in_parts)
    wait.what = load_wait::await;
  else if (wait.what == load_wait::disk)
    wait.what = load_wait::plan;
  wait.since = path_.after(wait.since, wait.what, clock_.now_us());
  wait.over = true;
  has_happened_ = true;
}

// It can be asked for because of the event now, or because somebody has the shard since then. Where nothing has happened
// time has passed, meanwhile with something else: a slow source is hedged, a busy one asked again.
stage_clock::moment loader::cause_of(const policy::chunk_fetch& asked, load_wait meanwhile, core::time_us now) {
  const auto cause = path_.later(latest_, waits_[asked.shard].since);
  if (has_happened_) return cause;
  return path_.after(cause, asked.hedge ? load_wait::retry : meanwhile, now);
}

// -- unlocked ---------------------------------------------------------------------------------------------------------

// Callbacks of different threads may overlap, `done` comes after all of them: whoever leaves last finishes. What was
// refused is planned anew; a source that refuses is asked no more then, so that this ends.
void loader::run(actions what) {
  const auto self = shared_from_this();
  for (auto refused = call_out(std::move(what)); !refused.empty();) {
    actions more;
    {
      const core::mutex_lock lock(mutex_);
      for (const auto& [token, why] : refused) {
        const bool is_full = why.code == core::errc::busy;
        note_failed(take_flight(token), is_full ? policy::fetch_failure::busy_here : failure_of(why), why, more);
      }
      drive(more);
    }
    refused = call_out(std::move(more));
  }
  finish_if_over();
}

std::vector<loader::refusal> loader::call_out(actions what) {
  std::vector<refusal> refused;
  for (const auto token : what.launches)
    if (auto launched = launch(token); !launched) refused.push_back({token, std::move(launched.error())});
  for (const auto shard : what.verified)
    if (callbacks_.shard_verified) callbacks_.shard_verified(shard);
  if (callbacks_.part_verified)
    for (const auto& [shard, chunks] : what.parts) callbacks_.part_verified(shard, chunks);
  for (const auto& each : what.checks) {
    auto checked = [self = shared_from_this(), each](uint64_t checksum) { self->on_checked(each, checksum); };
    if (each.buffer == nullptr)
      checker_.submit(place_of(each.fetch), std::move(checked));
    else
      checker_.submit_copy(place_of(each.fetch), each.buffer, std::move(checked));
  }
  for (const auto& [via, id] : what.cancels) via->cancel(id);
  for (const auto& [via, peer] : what.closes) via->close_peer(peer.node, peer.incarnation);
  for (const auto& [node, why] : what.failures)
    if (callbacks_.source_failed) callbacks_.source_failed(node, why);
  if (!what.starved.empty()) callbacks_.starved(std::move(what.starved));
  if (what.look_at_us && callbacks_.look_at) callbacks_.look_at(*what.look_at_us);
  return refused;
}

core::result<void> loader::launch(uint64_t token) {
  core::mutex_lock lock(mutex_);
  const auto fetch = flights_.at(token).fetch;
  const auto& source = *sources_[fetch.source];
  const auto& place = source.holds.at(fetch.shard);
  transport::fetch_request request;
  request.source = {place.region, place.generation, place.offset_bytes + fetch.offset_bytes, fetch.length_bytes};
  request.target = fetch.hedge ? core::memory_region{buffer_of(fetch), fetch.length_bytes} : place_of(fetch);
  request.timeout_us = fetch.timeout_us;
  auto* via = source.what.via;
  const auto peer = source.what.peer;
  lock.unlock();
  const auto id =
      via->fetch(peer, request, [self = shared_from_this(), token](core::result<transport::fetched> result) {
        self->on_fetched(token, std::move(result));
      });
  if (!id) return core::fail(id.error());
  lock.lock();
  const auto found = flights_.find(token);
  if (found == flights_.end()) return {}; // it has completed already
  found->second.id = *id;
  found->second.accepted = true;
  const bool doomed = found->second.doomed;
  lock.unlock();
  if (doomed) via->cancel(*id);
  return {};
}

core::memory_region loader::place_of(const policy::chunk_fetch& fetch) const {
  return shards_[fetch.shard].target.slice(fetch.offset_bytes, fetch.length_bytes);
}

std::byte* loader::buffer_of(const policy::chunk_fetch& fetch) {
  auto& buffer = buffers_[*fetch.hedge];
  if (!buffer) buffer.reset(new std::byte[chunk_bytes]); // whose pages are not touched here
  return buffer.get();
}

bool loader::is_over() const {
  if (!started_ && !giving_up_) return false;
  return !finished_ && calls_out_ == 0 && flights_.empty() && checks_ == 0 && (plan_.done() || giving_up_);
}

void loader::finish_if_over() {
  core::mutex_lock lock(mutex_);
  --calls_out_;
  if (!is_over()) return;
  finished_ = true;
  auto report = make_report();
  core::result<void> outcome;
  if (!plan_.done()) outcome = core::fail(*giving_up_);
  lock.unlock();
  callbacks_.done(std::move(outcome), std::move(report));
}

} // namespace fastptm::weights
