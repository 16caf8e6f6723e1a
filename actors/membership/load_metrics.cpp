// Names of the metrics, and which part of a report each counts.
#include "actors/membership/load_metrics.hpp"

#include <fmt/format.h>

#include "protocol/stage_times.hpp"

namespace fastptm::actors {

namespace {

constexpr std::string_view source_kinds[] = {"same_device", "peer_device", "peer_host", "host_cache", "disk", "origin"};

core::counter& chunks(core::metrics_registry& registry, std::string_view result) {
  return registry.make_counter("fastptm_load_chunks_total", "Chunks of loads that have ended",
                               fmt::format("result=\"{}\"", result));
}

} // namespace

load_metrics::load_metrics(core::metrics_registry& registry)
    : verified_(&chunks(registry, "verified")), bad_(&chunks(registry, "bad")),
      refetched_(&chunks(registry, "refetched")),
      fetching_(&registry.make_histogram("fastptm_load_fetch_seconds",
                                         "Time of a load for which its bytes were on their way")),
      verifying_(&registry.make_histogram("fastptm_load_verify_seconds",
                                          "Time of a load for which it waited for checksums, beside what is fetched")),
      reading_(&registry.make_histogram("fastptm_load_disk_seconds",
                                        "Time of a load for which it waited for the store's disk")),
      damaged_(&registry.make_counter("fastptm_damaged_shards_total", "Shards found damaged where they lay",
                                      "where=\"device\"")),
      repaired_(&registry.make_counter("fastptm_repaired_shards_total", "Damaged shards that were loaded anew",
                                       "where=\"device\"")) {
  for (const auto kind : source_kinds)
    bytes_.emplace(kind, &registry.make_counter("fastptm_load_bytes_total", "Bytes that loads took from each source",
                                                fmt::format("source=\"{}\"", kind)));
}

void load_metrics::count(const protocol::load_report& report) {
  for (const auto& source : report.sources)
    if (const auto known = bytes_.find(source.kind); known != bytes_.end()) known->second->add(source.bytes);
  verified_->add(report.verified_chunks);
  bad_->add(report.bad_chunks);
  refetched_->add(report.refetched_chunks);
  for (const auto& [histogram, stage] : {std::pair(fetching_, "fetch"), {verifying_, "verify"}, {reading_, "disk"}})
    if (const auto took_us = time_of(report, stage); took_us > 0) histogram->observe_us(took_us);
}

void load_metrics::count(const protocol::device_status& device) {
  auto& counted = damage_[device.name];
  if (device.damaged_shards < counted.found || device.repaired_shards < counted.repaired) counted = {};
  damaged_->add(device.damaged_shards - counted.found);
  repaired_->add(device.repaired_shards - counted.repaired);
  counted = {device.damaged_shards, device.repaired_shards};
}

} // namespace fastptm::actors
