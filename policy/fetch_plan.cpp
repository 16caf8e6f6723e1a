// The chunk queue of a load: earliest expected finish among the holders, windows, states of sources.
#include "policy/fetch_plan.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/check.hpp"

namespace fastptm::policy {

namespace {

// Who hung is asked for less than it delivered, until it has shown otherwise.
constexpr uint64_t rate_cut_when_hung = 4;
// On a busy machine a healthy source may hang; one that lands nothing in between does not get better.
constexpr uint32_t most_second_chances = 2;
constexpr uint32_t most_doublings = 6; // of the pause after a refusal
// A busy machine reads late now and then; a liar may be late on purpose.
constexpr uint32_t most_torn = 4;

constexpr auto never_us = std::numeric_limits<core::time_us>::max();

core::duration_us time_us(uint64_t bytes, uint64_t rate_bps) {
  return static_cast<core::duration_us>(bytes * 1'000'000 / std::max<uint64_t>(rate_bps, 1));
}

} // namespace

fetch_plan::fetch_plan(const fetch_plan_options& options, std::span<const uint64_t> shard_sizes_bytes)
    : options_(options), waiting_(shard_sizes_bytes.size()), hedges_(options.hedges) {
  core::check(options.chunk_bytes > 0 && options.window_chunks > 0, "a plan has chunks and windows");
  for (auto size : shard_sizes_bytes) {
    shard_state shard;
    shard.size_bytes = size;
    shard.first = static_cast<uint32_t>(chunks_.size());
    shard.chunks = static_cast<uint32_t>((size + options.chunk_bytes - 1) / options.chunk_bytes);
    shard.waiting = shard.chunks;
    chunks_.resize(chunks_.size() + shard.chunks, chunk_state::waiting);
    waiting_.set_waiting(static_cast<uint32_t>(shards_.size()), shard.chunks > 0);
    shards_.push_back(std::move(shard));
  }
  waiting_chunks_ = chunks_.size();
}

uint64_t fetch_plan::length_of(uint32_t shard, uint32_t chunk) const {
  return std::min(options_.chunk_bytes, shards_[shard].size_bytes - chunk * options_.chunk_bytes);
}

// -- sources ----------------------------------------------------------------------------------------------------------

uint32_t fetch_plan::add_source(source_kind kind, uint64_t rate_bps) {
  sources_.push_back({.kind = kind,
                      .rate = {rate_bps ? rate_bps : assumed_rate_bps(kind), options_.chunk_bytes},
                      .holds = std::vector<uint32_t>(shards_.size())});
  sources_.back().first_asks.reserve(options_.window_chunks);
  return static_cast<uint32_t>(sources_.size() - 1);
}

void fetch_plan::add_holding(uint32_t source, uint32_t shard, uint32_t chunks) {
  core::check(shard < shards_.size(), "a holding names a shard of the plan");
  auto& by = sources_[source];
  by.holds[shard] = std::min(chunks, shards_[shard].chunks);
  shards_[shard].has_parts |= by.holds[shard] < shards_[shard].chunks;
  by.chosen ? find_holders(shard) : (void)(choice_is_due_ = true);
}

void fetch_plan::lose_source(uint32_t source) {
  leave(sources_[source], source_state::out);
}

bool fetch_plan::give_second_chances() {
  if (resting_.empty()) return false;
  for (const auto number : std::exchange(resting_, {})) try_again(sources_[number]);
  return true;
}

// -- who is asked -----------------------------------------------------------------------------------------------------

// What a lie or an end was stays one.
void fetch_plan::leave(source_entry& one, source_state then) {
  if (one.at < source_state::liar) one.at = then;
  choice_is_due_ |= one.chosen;
}

void fetch_plan::try_again(source_entry& one) {
  if (one.at > source_state::hung) return; // lost meanwhile
  ++one.second_chances;
  one.at = source_state::good;
  one.rate.restart(one.rate.bps() / rate_cut_when_hung);
  choice_is_due_ = true;
}

bool fetch_plan::is_wanted(const source_entry& one) const {
  if (!is_usable(one)) return false;
  for (uint32_t i = 0; i < shards_.size(); ++i)
    if (one.holds[i] > 0 && !shard_done(i)) return true;
  return false;
}

void fetch_plan::choose_if_due() {
  if (!std::exchange(choice_is_due_, false)) return;
  std::erase_if(chosen_, [this](uint32_t number) {
    auto& one = sources_[number];
    one.chosen = is_usable(one) && (one.queued_chunks > 0 || is_wanted(one));
    return !one.chosen;
  });
  for (uint32_t shard = 0; shard < shards_.size(); ++shard) find_holders(shard);
  if (chosen_.size() >= options_.most_sources && waiting_.without_holder().empty()) return;
  const auto spares = find_spares();
  for (const auto spare : spares)
    if (chosen_.size() < options_.most_sources) choose(spare);
  for (const auto spare : spares)
    if (!sources_[spare].chosen && std::ranges::any_of(waiting_.without_holder(), [&](uint32_t shard) {
          return can_give(sources_[spare], shard);
        }))
      choose(spare);
}

// Usable ones that are not chosen and have something that is not there yet, the fastest first.
std::vector<uint32_t> fetch_plan::find_spares() const {
  std::vector<uint32_t> spares;
  for (uint32_t i = 0; i < sources_.size(); ++i)
    if (!sources_[i].chosen && is_wanted(sources_[i])) spares.push_back(i);
  std::ranges::stable_sort(spares, std::ranges::greater(),
                           [this](uint32_t i) { return preference_bps(sources_[i].kind, sources_[i].rate.bps()); });
  return spares;
}

void fetch_plan::choose(uint32_t number) {
  sources_[number].chosen = true;
  chosen_.insert(std::ranges::upper_bound(chosen_, number), number);
  for (uint32_t shard = 0; shard < shards_.size(); ++shard)
    if (sources_[number].holds[shard] > 0) find_holders(shard);
}

// The chunk that is asked for next. Who has only part of a shard is asked for no other.
bool fetch_plan::can_give(const source_entry& one, uint32_t shard) const {
  const auto& of = shards_[shard];
  return one.holds[shard] == of.chunks || one.holds[shard] > first_waiting(of);
}

void fetch_plan::find_holders(uint32_t shard) {
  waiting_shards::holders who;
  for (const auto number : chosen_)
    if (can_give(sources_[number], shard)) who.push_back(number);
  waiting_.set_holders(shard, who);
}

void fetch_plan::next_has_changed(uint32_t shard) {
  if (!shards_[shard].has_parts) return;
  find_holders(shard);
  choice_is_due_ |= waiting_.holders_of(shard).empty() && chosen_.size() < sources_.size();
}

uint32_t fetch_plan::window_of(const source_entry& one) const {
  return one.second_chances > 0 ? 1 : options_.window_chunks;
}

core::duration_us fetch_plan::finish_us(const source_entry& one, uint64_t length_bytes) const {
  return time_us(one.queued_bytes + length_bytes, preference_bps(one.kind, one.rate.bps()));
}

// The holder that would have a chunk first, if it can be asked now.
std::optional<uint32_t> fetch_plan::holder_with_room(const waiting_shards::holders& who, uint64_t length_bytes) {
  std::optional<uint32_t> best;
  core::duration_us best_us = 0;
  bool best_is_slow = false;
  for (const auto number : who) {
    ++considered_;
    const auto& one = sources_[number];
    if (!is_usable(one) || one.at == source_state::busy) continue;
    // Who may hang again is not waited for.
    if (one.second_chances > 0 && one.queued_chunks >= window_of(one)) continue;
    const bool is_slow = one.at == source_state::slow;
    const auto its_us = finish_us(one, length_bytes);
    if (best && (is_slow != best_is_slow ? is_slow : its_us >= best_us)) continue;
    best = number;
    best_us = its_us;
    best_is_slow = is_slow;
  }
  if (best && sources_[*best].queued_chunks >= window_of(sources_[*best])) return std::nullopt;
  return best;
}

// -- driving ----------------------------------------------------------------------------------------------------------

std::optional<chunk_fetch> fetch_plan::next(core::time_us now) {
  if (unverified_ >= options_.unverified_chunks) return std::nullopt;
  choose_if_due();
  if (auto hedge = next_hedge(now)) return hedge;
  std::optional<std::pair<uint32_t, uint32_t>> first; // shard, source
  for (const auto& [who, group] : waiting_.by_holders()) {
    if (group.waiting.empty()) continue;
    const auto shard = *group.waiting.begin();
    if (first && shard > first->first) continue;
    const auto source = holder_with_room(who, length_of(shard, first_waiting(shards_[shard])));
    if (source) first = {shard, *source};
  }
  if (!first) return std::nullopt;
  return take(first->first, first->second, now);
}

chunk_place fetch_plan::on_landed(const chunk_fetch& fetch, core::time_us now) {
  auto& source = sources_[fetch.source];
  source.rate.landed(fetch.length_bytes, now);
  source.moved_us = now;
  source.second_chances = source.refusals = 0;
  if (is_usable(source)) source.at = source_state::good;
  leave_window(fetch, now);
  end_parking(source);
  if (fetch.hedge) {
    auto& hedge = hedges_[*fetch.hedge];
    if (hedge.settled) {
      hedge = {};
      return chunk_place::elsewhere;
    }
    hedge.landed = true;
    return hedge.original_flies ? chunk_place::elsewhere : note_here(fetch, chunk_place::buffer);
  }
  if (auto* hedge = find_hedge(fetch)) {
    hedge->settled = true;
    if (hedge->landed) *hedge = {};
  }
  return note_here(fetch, chunk_place::target);
}

chunk_place fetch_plan::on_failed(const chunk_fetch& fetch, fetch_failure failure, core::time_us now) {
  leave_window(fetch, now);
  auto& source = sources_[fetch.source];
  blame(source, fetch, failure, now);
  if (failure != fetch_failure::busy && failure != fetch_failure::busy_here) end_parking(source);
  if (fetch.hedge) {
    const auto ended = std::exchange(hedges_[*fetch.hedge], {});
    return ended.settled || ended.original_flies ? chunk_place::elsewhere : put_back(fetch);
  }
  auto* hedge = find_hedge(fetch);
  if (hedge == nullptr) return put_back(fetch);
  hedge->original_flies = false;
  return hedge->landed ? note_here(fetch, chunk_place::buffer) : chunk_place::elsewhere;
}

bool fetch_plan::on_verified(const chunk_fetch& fetch) {
  auto& state = chunks_[shards_[fetch.shard].first + fetch.chunk];
  core::check(state == chunk_state::landed, "only a landed chunk is verified");
  state = chunk_state::verified;
  --unverified_;
  ++verified_chunks_;
  if (fetch.hedge) hedges_[*fetch.hedge] = {};
  auto& shard = shards_[fetch.shard];
  ++shard.verified;
  while (shard.first_verified < shard.chunks && chunks_[shard.first + shard.first_verified] == chunk_state::verified)
    ++shard.first_verified;
  while (first_unfinished_ < shards_.size() && shard_done(first_unfinished_)) ++first_unfinished_;
  return shard.verified == shard.chunks;
}

void fetch_plan::on_bad(const chunk_fetch& fetch, fetch_failure why) {
  core::check(chunks_[shards_[fetch.shard].first + fetch.chunk] == chunk_state::landed,
              "only a landed chunk can be found bad");
  --unverified_;
  if (fetch.hedge) hedges_[*fetch.hedge] = {};
  put_back(fetch);
  blame(sources_[fetch.source], fetch, why, 0);
}

// -- chunks -----------------------------------------------------------------------------------------------------------

core::duration_us fetch_plan::patience_us(uint32_t shard, uint32_t source) const {
  const auto& who = waiting_.holders_of(shard);
  const bool is_alone = std::ranges::none_of(who, [&](uint32_t one) { return one != source; });
  return is_alone || sources_[source].second_chances > 0 ? options_.lone_late_us : options_.late_us;
}

chunk_fetch fetch_plan::take(uint32_t shard, uint32_t source, core::time_us now) {
  auto& of = shards_[shard];
  const auto chunk = first_waiting(of);
  of.returned.empty() ? (void)++of.fresh : of.returned.pop_back();
  if (--of.waiting == 0) waiting_.set_waiting(shard, false);
  --waiting_chunks_;
  next_has_changed(shard);
  chunks_[of.first + chunk] = chunk_state::fetching;
  sources_[source].first_asks.emplace_back(shard, chunk);
  return ask(shard, chunk, source, now);
}

chunk_fetch fetch_plan::ask(uint32_t shard, uint32_t chunk, uint32_t source, core::time_us now) {
  auto& from = sources_[source];
  chunk_fetch fetch{shard, chunk, source, chunk * options_.chunk_bytes, length_of(shard, chunk)};
  ++in_flight_;
  if (from.queued_chunks++ == 0) {
    from.moved_us = now;
    from.rate.begin(now);
  }
  from.queued_bytes += fetch.length_bytes;
  const auto expected_us = time_us(from.queued_bytes, from.rate.bps());
  const auto least_us = patience_us(shard, source);
  fetch.timeout_us = std::clamp(options_.late_factor * expected_us, least_us, std::max(options_.longest_us, least_us));
  return fetch;
}

void fetch_plan::leave_window(const chunk_fetch& fetch, core::time_us now) {
  auto& source = sources_[fetch.source];
  const auto asked =
      fetch.hedge ? source.first_asks.end() : std::ranges::find(source.first_asks, std::pair(fetch.shard, fetch.chunk));
  core::check(fetch.hedge ? hedges_[*fetch.hedge].open : asked != source.first_asks.end(),
              "a completion belongs to a chunk in flight");
  if (!fetch.hedge) source.first_asks.erase(asked);
  source.queued_bytes -= fetch.length_bytes;
  if (--source.queued_chunks == 0) source.rate.end(now);
  --in_flight_;
}

chunk_place fetch_plan::put_back(const chunk_fetch& fetch) {
  auto& of = shards_[fetch.shard];
  chunks_[of.first + fetch.chunk] = chunk_state::waiting;
  of.returned.insert(std::ranges::lower_bound(of.returned, fetch.chunk, std::ranges::greater()), fetch.chunk);
  ++waiting_chunks_;
  next_has_changed(fetch.shard);
  if (of.waiting++ == 0) {
    waiting_.set_waiting(fetch.shard, true);
    choice_is_due_ |= waiting_.holders_of(fetch.shard).empty(); // one of those that were not chosen may have it
  }
  return chunk_place::queue;
}

chunk_place fetch_plan::note_here(const chunk_fetch& fetch, chunk_place where) {
  chunks_[shards_[fetch.shard].first + fetch.chunk] = chunk_state::landed;
  ++unverified_;
  return where;
}

// -- hedges -----------------------------------------------------------------------------------------------------------

std::optional<chunk_fetch> fetch_plan::next_hedge(core::time_us now) {
  const auto buffer = std::ranges::find(hedges_, false, &hedge_state::open);
  if (buffer == hedges_.end()) return std::nullopt;
  for (const auto number : chosen_) {
    if (sources_[number].at != source_state::slow) continue;
    for (const auto& [shard, chunk] : sources_[number].first_asks) {
      if (!is_worth_a_hedge(shard) || is_hedged({.shard = shard, .chunk = chunk})) continue;
      const auto other = hedging_holder(shard, chunk, now - sources_[number].moved_us);
      if (!other) continue;
      auto fetch = ask(shard, chunk, *other, now);
      fetch.hedge = static_cast<uint32_t>(buffer - hedges_.begin());
      *buffer = {.fetch = fetch, .open = true, .original_flies = true};
      return fetch;
    }
  }
  return std::nullopt;
}

bool fetch_plan::is_worth_a_hedge(uint32_t shard) const {
  return waiting_chunks_ == 0 || (shards_[shard].waiting == 0 && shard == first_unfinished_);
}

std::optional<uint32_t> fetch_plan::hedging_holder(uint32_t shard, uint32_t chunk, core::duration_us within_us) {
  std::optional<uint32_t> best;
  for (const auto number : waiting_.holders_of(shard)) {
    ++considered_;
    const auto& one = sources_[number];
    if (one.at != source_state::good || one.queued_chunks >= window_of(one)) continue;
    const auto its_us = finish_us(one, length_of(shard, chunk));
    if (its_us > within_us) continue;
    best = number;
    within_us = its_us;
  }
  return best;
}

// One whose chunk has landed otherwise is no hedge of it any more, should it be asked for again.
const fetch_plan::hedge_state* fetch_plan::find_hedge(const chunk_fetch& fetch) const {
  const auto found = std::ranges::find_if(hedges_, [&](const hedge_state& one) {
    return one.open && !one.settled && one.fetch.shard == fetch.shard && one.fetch.chunk == fetch.chunk;
  });
  return found == hedges_.end() ? nullptr : &*found;
}

fetch_plan::hedge_state* fetch_plan::find_hedge(const chunk_fetch& fetch) {
  return const_cast<hedge_state*>(std::as_const(*this).find_hedge(fetch));
}

const chunk_fetch& fetch_plan::hedge_of(const chunk_fetch& fetch) const {
  const auto* found = find_hedge(fetch);
  core::check(found != nullptr && found->landed, "the chunk is in a buffer");
  return found->fetch;
}

// -- states -----------------------------------------------------------------------------------------------------------

void fetch_plan::blame(source_entry& one, const chunk_fetch& fetch, fetch_failure failure, core::time_us now) {
  switch (failure) {
    case fetch_failure::source:
      return leave(one, source_state::out);
    case fetch_failure::range:
      one.holds[fetch.shard] = 0;
      choice_is_due_ = true;
      return;
    case fetch_failure::torn:
      if (++one.torn <= most_torn) return;
      [[fallthrough]];
    case fetch_failure::lie:
      return leave(one, source_state::liar);
    case fetch_failure::cancelled:
      if (one.at == source_state::slow && one.queued_chunks == 0) try_again(one);
      return;
    case fetch_failure::silent:
      if (!is_usable(one)) return;
      leave(one, source_state::hung);
      one.until_us = now + options_.rest_us;
      if (one.second_chances < most_second_chances) resting_.push_back(fetch.source);
      return;
    case fetch_failure::busy:
    case fetch_failure::busy_here:
      if (!is_usable(one)) return;
      if (one.at != source_state::busy) // those of its window that it refuses together count as one
        one.until_us = now + (options_.busy_us << std::min(one.refusals++, most_doublings));
      one.at = source_state::busy;
      one.refused_here = failure == fetch_failure::busy_here;
  }
}

// A completion makes room where it was, and in the transport, whose other users are not known here.
void fetch_plan::end_parking(source_entry& completed) {
  for (const auto number : chosen_) {
    auto& one = sources_[number];
    if (one.at == source_state::busy && (one.refused_here || &one == &completed)) one.at = source_state::good;
  }
}

core::duration_us fetch_plan::slow_after_us(const source_entry& one) const {
  return std::max(options_.slow_us, options_.slow_factor * time_us(options_.chunk_bytes, one.rate.bps()));
}

// -- time -------------------------------------------------------------------------------------------------------------

std::vector<uint32_t> fetch_plan::look(core::time_us now) {
  looked_us_ = now;
  std::vector<uint32_t> crawling;
  for (const auto number : chosen_) {
    auto& one = sources_[number];
    if (one.at == source_state::busy && now >= one.until_us) one.at = source_state::good;
    if (one.queued_chunks == 0 || !is_usable(one)) continue;
    const auto quiet_us = now - one.moved_us;
    if (quiet_us >= options_.crawl_us) {
      leave(one, source_state::out);
      crawling.push_back(number);
    } else if (one.at == source_state::good && quiet_us >= slow_after_us(one)) {
      one.at = source_state::slow;
    }
  }
  std::erase_if(resting_, [&](uint32_t number) {
    const bool is_over = now >= sources_[number].until_us;
    if (is_over) try_again(sources_[number]);
    return is_over;
  });
  return crawling;
}

core::time_us fetch_plan::next_look_us() const {
  auto at_us = never_us;
  for (const auto number : resting_) at_us = std::min(at_us, sources_[number].until_us);
  for (const auto number : chosen_) {
    const auto& one = sources_[number];
    if (one.at == source_state::busy) at_us = std::min(at_us, one.until_us);
    if (!is_usable(one) || one.queued_chunks == 0) continue;
    at_us = std::min(at_us, one.moved_us + options_.crawl_us);
    if (one.at == source_state::good) at_us = std::min(at_us, one.moved_us + slow_after_us(one));
    if (one.at == source_state::slow) at_us = std::min(at_us, next_hedge_us(one));
  }
  return at_us;
}

// When another one would have brought what this one has. Where that was before the last look it needs room first.
core::time_us fetch_plan::next_hedge_us(const source_entry& slow) const {
  auto at_us = never_us;
  for (const auto number : chosen_) {
    const auto due_us = slow.moved_us + finish_us(sources_[number], options_.chunk_bytes);
    if (sources_[number].at == source_state::good && due_us > looked_us_) at_us = std::min(at_us, due_us);
  }
  return at_us;
}

// -- state ------------------------------------------------------------------------------------------------------------

std::vector<uint32_t> fetch_plan::starved_shards() {
  choose_if_due();
  const auto& starved = waiting_.without_holder();
  return {starved.begin(), starved.end()};
}

} // namespace fastptm::policy
