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
      callbacks_(std::move(callbacks)), plan_(options_.plan, sizes_of(shards_)), buffers_(options_.plan.hedges) {
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

void loader::start() {
  actions out;
  {
    const core::mutex_lock lock(mutex_);
    core::check(!started_, "a loader starts once");
    started_ = true;
    start_us_ = clock_.now_us();
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
      note_landed(one.fetch, *result, out);
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

void loader::note_landed(const policy::chunk_fetch& fetch, const transport::fetched& got, actions& out) {
  const auto now = clock_.now_us();
  auto& source = *sources_[fetch.source];
  source.last_us = last_land_us_ = now;
  if (!first_land_us_) first_land_us_ = now;
  if (source.report.path.empty()) source.report.path = transport::to_string(got.way);
  if (fetch.hedge && got.checksum && *got.checksum != checksum_of(fetch)) {
    const auto failure = got.may_be_torn ? policy::fetch_failure::torn : policy::fetch_failure::lie;
    if (plan_.on_failed(fetch, failure, now) == policy::chunk_place::queue) ++refetched_;
    return note_wrong({fetch, got.may_be_torn}, *got.checksum, out);
  }
  if (plan_.is_hedged(fetch)) doom_twins_of(fetch, out);
  const auto place = plan_.on_landed(fetch, now);
  if (place == policy::chunk_place::buffer) return check_later({fetch, got.may_be_torn, buffer_of(fetch)}, out);
  if (place != policy::chunk_place::target) return;
  if (got.checksum) return note_checked({fetch, got.may_be_torn}, *got.checksum, out);
  check_later({fetch, got.may_be_torn}, out);
}

void loader::note_failed(const flight& one, policy::fetch_failure failure, const core::error& why, actions& out) {
  using policy::fetch_failure;
  const auto source = one.fetch.source;
  const bool was_lost = plan_.is_lost(source);
  if (one.doomed) failure = fetch_failure::cancelled;
  const auto place = plan_.on_failed(one.fetch, failure, clock_.now_us());
  const bool was_refused = failure == fetch_failure::busy || failure == fetch_failure::busy_here;
  if (place == policy::chunk_place::queue && !was_refused) ++refetched_;
  if (place == policy::chunk_place::buffer) {
    const auto& hedge = plan_.hedge_of(one.fetch);
    check_later({hedge, false, buffer_of(hedge)}, out);
  }
  if (!one.doomed) last_failure_ = why.message;
  if (!was_lost && plan_.is_lost(source)) note_lost(source, why, out);
}

void loader::check_later(arrival what, actions& out) {
  ++checks_;
  out.checks.push_back(what);
}

void loader::note_checked(const arrival& what, uint64_t checksum, actions& out) {
  const auto& fetch = what.fetch;
  if (checksum != checksum_of(fetch)) {
    ++refetched_;
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
  last_shard_us_ = progress_us_; // not of a chunk that came twice, which may be later
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
  while (const auto next = plan_.next(now)) {
    const auto token = ++last_token_;
    flights_.emplace(token, flight{*next, {}, false, false});
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
  if (callbacks_.starved) {
    out.starved = std::move(starved);
    return;
  }
  giving_up_ = core::error{core::errc::unavailable,
                           fmt::format("no source is left for shards {}{}{}", fmt::join(starved, ", "),
                                       last_failure_.empty() ? "" : "; the last failure was: ", last_failure_)};
  for (uint32_t i = 0; i < sources_.size(); ++i) doom_flights_of(i, out);
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

// -- report -----------------------------------------------------------------------------------------------------------

load_report loader::make_report() const {
  load_report report;
  report.bytes_moved = bytes_;
  report.verified_chunks = verified_;
  report.bad_chunks = bad_;
  report.refetched_chunks = refetched_;
  report.start_us = start_us_;
  report.end_us = clock_.now_us();
  if (first_ask_us_) report.stages.push_back({"plan", start_us_, *first_ask_us_});
  if (first_land_us_) {
    report.stages.push_back({"first_byte", *first_ask_us_, *first_land_us_});
    report.stages.push_back({"fetch", *first_ask_us_, last_land_us_});
    report.stages.push_back({"verify", *first_land_us_, std::max(last_shard_us_, *first_land_us_)});
  }
  report.stages.push_back({"done", report.end_us, report.end_us});
  for (const auto& source : sources_) {
    report.sources.push_back(source->report);
    const auto busy_us = std::max<core::duration_us>(source->last_us - source->first_us.value_or(0), 1);
    report.sources.back().rate_bps = source->report.bytes * 1'000'000 / static_cast<uint64_t>(busy_us);
    report.sources.back().estimate_bps = plan_.rate_bps(static_cast<uint32_t>(report.sources.size() - 1));
  }
  report.limit = slowest_link();
  return report;
}

// The path that needed the longest for its bytes if it ran at its calibrated rate;
// what the fetch took is held against it.
link_limit loader::slowest_link() const {
  std::map<std::string, uint64_t> bytes_by_path;
  for (const auto& source : sources_)
    if (source->report.bytes) bytes_by_path[source->report.path] += source->report.bytes;
  link_limit slowest;
  uint64_t slowest_us = 0;
  for (const auto& [path, bytes] : bytes_by_path) {
    const auto rate_bps = options_.rates.limit_bps(path);
    const auto needed_us = rate_bps ? bytes * 1'000'000 / rate_bps : 0;
    if (!slowest.link.empty() && needed_us <= slowest_us) continue;
    slowest = {path, rate_bps, 0};
    slowest_us = needed_us;
  }
  const auto took_us = static_cast<uint64_t>(std::max<core::duration_us>(last_land_us_ - first_ask_us_.value_or(0), 1));
  slowest.fraction_ppm = static_cast<uint32_t>(std::min<uint64_t>(slowest_us * 1'000'000 / took_us, UINT32_MAX));
  return slowest;
}

} // namespace fastptm::weights
