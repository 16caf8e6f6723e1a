// What a loader says of its load when it has ended.
#include <algorithm>

#include "weights/load/loader.hpp"

namespace fastptm::weights {

namespace {

// Of a report: what a person can look at.
constexpr size_t most_stages = 32;
// Of fewer the estimate of the next one is half what was assumed before.
constexpr uint32_t enough_chunks = 8;

uint64_t rate_of(uint64_t bytes, core::duration_us took_us) {
  return bytes * 1'000'000 / static_cast<uint64_t>(std::max<core::duration_us>(took_us, 1));
}

} // namespace

load_report loader::make_report() {
  load_report report;
  report.bytes_moved = bytes_;
  report.verified_chunks = verified_;
  report.bad_chunks = bad_;
  report.refetched_chunks = refetched_;
  report.start_us = start_us_;
  report.end_us = clock_.now_us();
  report.stages = make_stages(report.end_us);
  for (const auto& source : sources_) {
    auto& row = report.sources.emplace_back(source->report);
    row.start_us = source->first_us.value_or(0);
    row.end_us = std::max(source->last_us, row.start_us);
    row.rate_bps = rate_of(row.bytes, row.end_us - row.start_us);
    row.estimate_bps = plan_.rate_bps(static_cast<uint32_t>(report.sources.size() - 1));
  }
  report.links = make_links(report.sources);
  report.limit = slowest_of(report.links);
  return report;
}

// Of a source that the store has read for this load it is the disk that counts: what the loader sees of it is the way from
// the store's memory.
std::vector<link_report> loader::make_links(const std::vector<source_report>& sources) const {
  std::vector<link_report> links;
  for (size_t i = 0; i < sources.size(); ++i) {
    const auto& row = sources[i];
    if (row.bytes == 0) continue;
    const auto& source = *sources_[i];
    const bool is_disk = row.kind == policy::source_kind::disk;
    auto link =
        std::ranges::find_if(links, [&](const auto& each) { return each.node == row.node && each.path == row.path; });
    if (link == links.end()) {
      const auto since_us = is_disk ? start_us_ : *first_ask_us_;
      link = links.insert(links.end(), {row.node, row.path, 0, 0, since_us, is_disk, source.what.is_where_calibrated});
    }
    link->bytes += row.bytes;
    const auto last_bps = is_disk || row.chunks < enough_chunks ? 0 : row.estimate_bps;
    link->rate_bps +=
        source.read_bytes > 0 ? rate_of(source.read_bytes, source.read_us) : std::max(row.rate_bps, last_bps);
  }
  return links;
}

// The one that needs the longest for its bytes at the best that is known of it; what it took is held against that.
link_limit loader::slowest_of(const std::vector<link_report>& links) const {
  link_limit slowest;
  core::duration_us slowest_us = -1;
  for (const auto& link : links) {
    const auto known_bps = options_.rates.limit_bps(link.node, link.path, link.is_where_calibrated);
    const auto rate_bps = std::max(known_bps, link.rate_bps);
    const auto needed_us = static_cast<core::duration_us>(rate_bps > 0 ? link.bytes * 1'000'000 / rate_bps : 0);
    if (needed_us <= slowest_us) continue;
    slowest_us = needed_us;
    const auto took_us = std::max<core::duration_us>(last_land_us_ - link.since_us, 1);
    const auto fraction_ppm = std::min<core::duration_us>(needed_us * 1'000'000 / took_us, 1'000'000);
    const bool is_measured = link.rate_bps >= known_bps || options_.rates.is_measured(link.node, link.path);
    slowest = {link.path, link.node, rate_bps, static_cast<uint32_t>(fraction_ppm), is_measured, link.is_disk};
  }
  return slowest;
}

// A load that did not end well has waited for its first missing shard, or for sources that are busy.
std::vector<load_stage> loader::make_stages(core::time_us end_us) {
  auto last = plan_.done() ? latest_ : path_.after(latest_, load_wait::busy, end_us);
  for (uint32_t shard = 0; shard < waits_.size() && !plan_.done(); ++shard) {
    const auto& wait = waits_[shard];
    if (plan_.shard_done(shard) || wait.over) continue;
    last = path_.after(wait.since, wait.what, end_us);
    break;
  }
  tell_first_bytes_apart();
  return path_.path_to(last, most_stages);
}

// A source's first chunk has taken longer than those behind it, of which a window may have been on the way with it. Of a
// single one nobody can tell.
void loader::tell_first_bytes_apart() {
  for (const auto& source : sources_) {
    if (source->report.bytes <= source->first_bytes) continue;
    const auto rest_us = static_cast<uint64_t>(source->last_us - path_.at_us(source->first_landed));
    const auto rest_bytes = source->report.bytes - source->first_bytes;
    const auto window_bytes = source->first_bytes * options_.plan.window_chunks;
    const auto window_us = static_cast<core::duration_us>(window_bytes * rest_us / rest_bytes);
    if (const auto took_us = path_.waited_us(source->first_landed); took_us > window_us)
      path_.split(source->first_landed, load_wait::first_byte, took_us - window_us);
  }
}

} // namespace fastptm::weights
