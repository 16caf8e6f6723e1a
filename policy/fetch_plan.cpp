// The chunk queue of a load: earliest expected finish among the holders, windows, quarantine.
#include "policy/fetch_plan.hpp"

#include <algorithm>

#include "core/check.hpp"

namespace fastptm::policy {

namespace {

// A measured rate replaces this share of the old estimate: one odd chunk must not turn the plan over.
constexpr uint64_t new_share_percent = 25;

// Who was late is asked last, until it has shown otherwise.
constexpr uint64_t rate_cut_when_late = 16;

uint64_t time_us(uint64_t bytes, uint64_t rate_bps) {
  return bytes * 1'000'000 / std::max<uint64_t>(rate_bps, 1);
}

} // namespace

fetch_plan::fetch_plan(const fetch_plan_options& options, std::span<const uint64_t> shard_sizes_bytes)
    : options_(options) {
  core::check(options.chunk_bytes > 0 && options.window_chunks > 0, "a plan has chunks and windows");
  for (auto size : shard_sizes_bytes) {
    shard_state shard;
    shard.size_bytes = size;
    shard.first = static_cast<uint32_t>(chunks_.size());
    shard.chunks = static_cast<uint32_t>((size + options.chunk_bytes - 1) / options.chunk_bytes);
    shard.waiting = shard.chunks;
    chunks_.resize(chunks_.size() + shard.chunks, chunk_state::waiting);
    shards_.push_back(shard);
  }
}

// -- sources ----------------------------------------------------------------------------------------------------------

uint32_t fetch_plan::add_source(source_kind kind, uint64_t rate_bps) {
  source_state source;
  source.kind = kind;
  source.rate_bps = rate_bps ? rate_bps : assumed_rate_bps(kind);
  source.holds.resize(shards_.size());
  sources_.push_back(std::move(source));
  return static_cast<uint32_t>(sources_.size() - 1);
}

void fetch_plan::add_holding(uint32_t source, uint32_t shard) {
  core::check(shard < shards_.size(), "a holding names a shard of the plan");
  sources_[source].holds[shard] = true;
}

void fetch_plan::lose_source(uint32_t source) {
  sources_[source].lost = true;
}

void fetch_plan::give_second_chance(uint32_t source) {
  auto& late = sources_[source];
  late.lost = false;
  late.late_before = true;
  late.rate_bps = std::max<uint64_t>(late.rate_bps / rate_cut_when_late, 1);
}

// -- driving ----------------------------------------------------------------------------------------------------------

std::optional<chunk_fetch> fetch_plan::next(core::time_us now) {
  if (unverified_ >= options_.unverified_chunks) return std::nullopt;
  for (uint32_t shard = 0; shard < shards_.size(); ++shard) {
    const auto& state = shards_[shard];
    for (uint32_t chunk = 0, left = state.waiting; left > 0; ++chunk) {
      if (chunks_[state.first + chunk] != chunk_state::waiting) continue;
      --left;
      const auto source = best_holder(shard, length_of(shard, chunk));
      // What keeps one chunk of a shard waiting keeps its others waiting, too.
      if (!source || sources_[*source].queued_chunks >= options_.window_chunks) break;
      return take(shard, chunk, *source, now);
    }
  }
  return std::nullopt;
}

void fetch_plan::on_landed(const chunk_fetch& fetch, core::time_us now) {
  leave_window(fetch);
  measure(sources_[fetch.source], fetch.length_bytes, now);
  chunks_[shards_[fetch.shard].first + fetch.chunk] = chunk_state::landed;
  ++unverified_;
}

void fetch_plan::on_failed(const chunk_fetch& fetch, fetch_failure failure, core::time_us now) {
  leave_window(fetch);
  put_back(fetch);
  auto& source = sources_[fetch.source];
  source.busy_since_us = now;
  if (failure == fetch_failure::source) source.lost = true;
  if (failure == fetch_failure::range) source.holds[fetch.shard] = false;
}

bool fetch_plan::on_verified(const chunk_fetch& fetch) {
  auto& state = chunks_[shards_[fetch.shard].first + fetch.chunk];
  core::check(state == chunk_state::landed, "only a landed chunk is verified");
  state = chunk_state::verified;
  --unverified_;
  ++verified_chunks_;
  auto& shard = shards_[fetch.shard];
  return ++shard.verified == shard.chunks;
}

void fetch_plan::on_bad(const chunk_fetch& fetch) {
  core::check(chunks_[shards_[fetch.shard].first + fetch.chunk] == chunk_state::landed,
              "only a landed chunk can be found bad");
  --unverified_;
  put_back(fetch);
  lose_source(fetch.source);
}

// -- state ------------------------------------------------------------------------------------------------------------

std::vector<uint32_t> fetch_plan::starved_shards() const {
  std::vector<uint32_t> starved;
  for (uint32_t shard = 0; shard < shards_.size(); ++shard)
    if (shards_[shard].waiting > 0 && !best_holder(shard, options_.chunk_bytes)) starved.push_back(shard);
  return starved;
}

uint64_t fetch_plan::length_of(uint32_t shard, uint32_t chunk) const {
  return std::min(options_.chunk_bytes, shards_[shard].size_bytes - chunk * options_.chunk_bytes);
}

std::optional<uint32_t> fetch_plan::best_holder(uint32_t shard, uint64_t length_bytes) const {
  std::optional<uint32_t> best;
  uint64_t best_us = 0;
  for (uint32_t i = 0; i < sources_.size(); ++i) {
    const auto& source = sources_[i];
    if (source.lost || !source.holds[shard]) continue;
    const auto finish_us = time_us(source.queued_bytes + length_bytes, preference_bps(source.kind, source.rate_bps));
    if (best && finish_us >= best_us) continue;
    best = i;
    best_us = finish_us;
  }
  return best;
}

core::duration_us fetch_plan::patience_us(uint32_t shard, uint32_t source) const {
  if (sources_[source].late_before) return options_.lone_late_us;
  for (uint32_t i = 0; i < sources_.size(); ++i)
    if (i != source && !sources_[i].lost && sources_[i].holds[shard]) return options_.late_us;
  return options_.lone_late_us;
}

chunk_fetch fetch_plan::take(uint32_t shard, uint32_t chunk, uint32_t source, core::time_us now) {
  auto& from = sources_[source];
  chunk_fetch fetch{shard, chunk, source, chunk * options_.chunk_bytes, length_of(shard, chunk), 0};
  if (from.queued_chunks == 0) from.busy_since_us = now;
  ++from.queued_chunks;
  from.queued_bytes += fetch.length_bytes;
  const auto expected_us = static_cast<core::duration_us>(time_us(from.queued_bytes, from.rate_bps));
  fetch.timeout_us = std::max(patience_us(shard, source), options_.late_factor * expected_us);
  --shards_[shard].waiting;
  chunks_[shards_[shard].first + chunk] = chunk_state::fetching;
  ++in_flight_;
  return fetch;
}

void fetch_plan::leave_window(const chunk_fetch& fetch) {
  core::check(chunks_[shards_[fetch.shard].first + fetch.chunk] == chunk_state::fetching,
              "a completion belongs to a chunk in flight");
  auto& source = sources_[fetch.source];
  --source.queued_chunks;
  source.queued_bytes -= fetch.length_bytes;
  --in_flight_;
}

void fetch_plan::put_back(const chunk_fetch& fetch) {
  chunks_[shards_[fetch.shard].first + fetch.chunk] = chunk_state::waiting;
  ++shards_[fetch.shard].waiting;
}

void fetch_plan::measure(source_state& source, uint64_t bytes, core::time_us now) {
  const auto busy_us = static_cast<uint64_t>(std::max<core::duration_us>(now - source.busy_since_us, 1));
  source.busy_since_us = now;
  const auto measured_bps = bytes * 1'000'000 / busy_us;
  source.rate_bps = (source.rate_bps * (100 - new_share_percent) + measured_bps * new_share_percent) / 100;
}

} // namespace fastptm::policy
