// What a gpu_worker tells the directory: its device, its holdings, its loads.
#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "actors/completion.hpp"
#include "actors/device/gpu_worker.hpp"

namespace fastptm::actors {

namespace {

// A chain of loads is slowed by this for shards that arrive more often: 4 MiB at 400 MB/s.
constexpr core::duration_us between_reports_us = 10'000;

protocol::load_report to_message(const gpu_worker::set& of, const std::string& device,
                                 const core::result<void>& outcome, const weights::load_report& report) {
  const auto since = [&](core::time_us at) { return at - of.times.start_us(); };
  protocol::load_report row;
  row.id = of.order.load;
  row.model = of.key.name;
  row.device = device;
  row.reason = of.order.reason;
  row.outcome = outcome ? protocol::load_outcome::ok : protocol::load_outcome::failed;
  row.error = outcome ? std::string() : outcome.error().message;
  row.bytes_total = of.manifest.total_bytes();
  row.bytes_shared = row.bytes_total;
  for (const auto i : of.missing) row.bytes_shared -= of.manifest.shards[i].size_bytes;
  row.bytes_moved = report.bytes_moved;
  row.wall_us = since(report.end_us);
  row.ordered_us = of.times.start_us();
  row.verified_chunks = report.verified_chunks;
  row.bad_chunks = report.bad_chunks;
  row.refetched_chunks = report.refetched_chunks;
  row.stages = stages_of(of.times, report);
  row.critical = longest_stage(row.stages);
  const auto node = device.substr(0, device.find('/'));
  if (const auto own_bytes = row.bytes_shared - of.foreign_bytes; own_bytes > 0)
    row.sources.push_back({protocol::same_device, node, {}, own_bytes, 0, 0, false});
  if (of.foreign_bytes > 0)
    row.sources.push_back(
        {protocol::same_device, node, protocol::of_others, of.foreign_bytes, of.foreign_chunks, 0, false});
  for (const auto& source : report.sources) {
    const bool was_asked = source.start_us != 0;
    row.sources.push_back({std::string(to_string(source.kind)), source.node, source.path, source.bytes, source.chunks,
                           source.rate_bps, source.failed, was_asked ? since(source.start_us) : 0,
                           was_asked ? since(source.end_us) : 0});
  }
  const auto& limit = report.limit;
  row.limit = {limit.link,       limit.rate_bps, limit.fraction_ppm, limit.from, limit.is_disk ? limit.from : node,
               limit.is_measured};
  return row;
}

} // namespace

void gpu_worker::report_device() {
  if (!directory_) return;
  protocol::device_row row;
  row.name = options_.name;
  const auto& info = options_.device->info();
  row.kind = to_string(info.kind);
  row.hardware = fmt::format("{} {} x{}", row.kind, info.isa, info.threads);
  row.arena_bytes = options_.device->memory().size_bytes();
  row.used_bytes = options_.device->memory().used_bytes();
  row.damaged_shards = damaged_shards_;
  row.repaired_shards = repaired_shards_;
  std::vector<const set*> resident;
  for (const auto& [id, of] : sets_)
    if (of->resident) resident.push_back(of.get());
  std::sort(resident.begin(), resident.end(), [](const set* a, const set* b) { return a->used < b->used; });
  for (const auto* of : resident) {
    row.resident.push_back(of->key.name);
    row.resident_ids.push_back(of->key.id);
    auto& offsets = row.offsets_bytes.emplace_back();
    for (const auto& shard : of->shards) offsets.push_back(shard.offset_bytes);
  }
  self_->send(directory_, registration_, std::move(row));
}

void gpu_worker::report_all_holdings() {
  unreported_.clear();
  for (const auto& [shard, location] : exported_) unreported_.insert(shard);
  send_holdings();
}

// The first one at once, for others may wait for it; what follows closely goes together.
void gpu_worker::report_holding(const core::digest& shard) {
  unreported_.insert(shard);
  const auto due_us = reported_us_ + between_reports_us - options_.environment->clock->now_us();
  if (due_us <= 0) return send_holdings();
  if (std::exchange(holdings_due_, true)) return;
  self_->delayed_send(self_, std::chrono::microseconds(due_us), make_local(holdings_due{}));
}

void gpu_worker::on_holdings_due() {
  holdings_due_ = false;
  send_holdings();
}

void gpu_worker::send_holdings() {
  if (!directory_ || unreported_.empty()) return;
  reported_us_ = options_.environment->clock->now_us();
  protocol::holdings_added part{registration_, options_.name, {}};
  for (const auto& shard : std::exchange(unreported_, {})) {
    const auto exported = exported_.find(shard);
    if (exported == exported_.end()) continue; // it has left meanwhile
    part.shards.push_back(exported->second);
    if (part.shards.size() == protocol::holdings_per_message)
      self_->send(directory_, std::exchange(part, {registration_, options_.name, {}}));
  }
  if (!part.shards.empty()) self_->send(directory_, std::move(part));
}

// Held back while a run is under way: its first layer is the end of the story.
void gpu_worker::report_load(set& of, const core::result<void>& outcome, const weights::load_report& report) {
  of.untold = to_message(of, options_.name, outcome, report);
  if (of.runs == 0 || of.first_result_us != 0) send_report(of);
}

// Of every load that was under way: queued, loading, or told when its own runs have ended.
void gpu_worker::note_computed(const computing& batch) {
  for (auto& waiting : queue_)
    waiting.hidden_us += computed_us(batch, waiting.ordered_us - waiting.order.decided_us, batch.until_us);
  const auto note = [&](set& of) {
    const auto start_us = of.times.start_us();
    if (of.untold || of.transfer)
      of.hidden_us += computed_us(batch, start_us, of.untold ? start_us + of.untold->wall_us : batch.until_us);
  };
  for (const auto& [id, of] : sets_) note(*of);
  for (const auto& of : leaving_) note(*of);
}

void gpu_worker::note_first_run(set& of, core::time_us first_layer_us) {
  if (of.first_result_us != 0) return;
  of.first_layer_us = first_layer_us;
  of.first_result_us = options_.environment->clock->now_us();
  if (of.untold) send_report(of);
}

void gpu_worker::send_report(set& of) {
  if (!of.untold) return;
  const auto start_us = of.times.start_us(), end_us = start_us + of.untold->wall_us;
  // A device computes one batch after the other: this one is not over.
  const auto now = std::ranges::min_element(runs_, {}, [](const auto& each) { return each.second.submitted_us; });
  if (now != runs_.end() && now->second.of.get() != &of)
    of.hidden_us += computed_us({std::max(now->second.submitted_us, last_run_end_us_), end_us, 0}, start_us, end_us);
  const auto wall_us = std::max<core::duration_us>(of.untold->wall_us, 1);
  of.untold->hidden_ppm = static_cast<uint64_t>(std::min(of.hidden_us, wall_us) * 1'000'000 / wall_us);
  if (of.first_result_us != 0) {
    const auto first_layer_us = std::max<core::duration_us>(0, of.first_layer_us - start_us);
    of.untold->stages.push_back({"first_layer", first_layer_us, first_layer_us});
    of.untold->stages.push_back({"first_result", of.first_result_us - start_us, of.first_result_us - start_us});
  }
  if (directory_) self_->send(directory_, registration_, *of.untold);
  of.told = std::exchange(of.untold, std::nullopt);
}

void gpu_worker::report_left(set& of) {
  if (!of.told || !of.told->ok()) return;
  of.told->left_us = options_.environment->clock->now_us();
  if (directory_) self_->send(directory_, registration_, std::move(*of.told));
  of.told.reset();
}

// Under one name from its first verified chunks on; how many these are is the caller's to say.
protocol::shard_location& gpu_worker::export_shard(const gpu::held_shard& shard, const weights::shard_entry& entry) {
  const auto [found, is_new] = exported_.try_emplace(entry.digest);
  if (!is_new) return found->second;
  const auto name = options_.environment->exporter->add({shard.region, -1});
  found->second = {entry.digest, name.region, name.generation, 0, entry.size_bytes, 0};
  return found->second;
}

// Verified just now: from here on all of it may be read, and is watched.
void gpu_worker::export_whole(const gpu::held_shard& shard, const weights::shard_entry& entry) {
  auto& at = export_shard(shard, entry);
  at.chunks = protocol::shard_location::all_chunks;
  options_.environment->scrubber->watch({at.region, at.generation}, entry.size_bytes, entry.chunk_checksums,
                                        [notify = notifier<interface>(self_), digest = entry.digest,
                                         region = at.region](const weights::wrong_chunk& what) {
                                          notify(make_local(shard_damaged{digest, region, what}));
                                        });
}

} // namespace fastptm::actors
