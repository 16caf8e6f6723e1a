// The targets that scheduling is held to, each measured and printed beside its limit.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/error.hpp"

namespace fastptm::sim {

struct target_row {
  std::string what;
  std::string measured; // With its unit.
  std::string limit;
  bool met = false;
};
struct target_table {
  std::string title;
  std::vector<std::vector<std::string>> details; // First row: headings; may be empty.
  std::vector<target_row> rows;
  bool met() const;
};
std::string to_text(const target_table& t);
std::string to_json(const target_table& t);

// The paper's headlines at equal memory: all traces under the folder at 4x rate on 2 lanes.
core::result<target_table> paper_headlines(const std::filesystem::path& folder);
// 80 s that can be sustained, with 4 times the rate from 20 s to 25 s: nothing that comes 1 s after it is late.
core::result<target_table> pulse_recovery(uint64_t seed, const std::string& policy);
// The highest rate with at most 1 % late, 12 models on one lane, uniform popularity.
core::result<target_table> sustained_rates(uint64_t seed);
struct cluster_place {
  uint32_t models, gpus;
  double pool_gb, rate; // GB per GPU; requests/s around which the maximum is sought.
};
const std::vector<cluster_place>& standard_places(); // 1000 models on 256 GPUs with 40 and 16 GB, 10,000 on 512.
// Maximum rate at 99 % on time, of dxv beside affinity and omls.
core::result<target_table> cluster_ranks(uint64_t seed, uint64_t requests, const std::vector<cluster_place>& places);
struct light_place {
  uint32_t models, gpus;
  uint64_t requests;
};
// A few lanes, where all pairs of lane and model are compared, and many, where they are not. A GPU has room for dozens
// of sets on average, and for two of the largest at least.
const std::vector<light_place>& light_places();
// Loads and bytes at 0.1 to 50 % of the sustainable rate: steady and in bursts, where all sets fit and where half of
// them do, on GPUs of one and of two kinds, from a cold start with estimates that are off by 3 either way; beside rules
// that know more (memory_rules.hpp). Copies for deadlines are counted beside.
core::result<target_table> light_load(uint64_t seed, const std::vector<light_place>& places);
// Requests/s per core and decision times; and how decision time grows from 256 to 4096 GPUs, with a plot as SVG.
core::result<target_table> decision_speed(uint64_t seed, uint64_t requests, const std::filesystem::path& plot);

} // namespace fastptm::sim
