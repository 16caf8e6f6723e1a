// Synthetic workloads of many tenants' models: read, written, and generated bit for bit as by the published generator.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "core/error.hpp"

namespace fastptm::sim {

struct workload_class {
  double bytes = 0;
  double base_ms = 0, each_ms = 0; // exec(b) = base + b * each
  double deadline_ms = 0;
};

struct workload_request {
  uint64_t at_us = 0;
  uint32_t model = 0;
};

struct workload {
  std::vector<workload_class> classes;
  std::vector<uint8_t> class_of;          // By model.
  std::vector<workload_request> requests; // In order of time.
};

struct workload_options {
  uint32_t models = 1000;
  uint64_t requests = 1'000'000;
  double rate = 20'000;                                // Requests per second, in the long run.
  double alpha = 0.9;                                  // Of Zipf's law.
  double burst = 10, on_s = 5, off_s = 45;             // Of the two states of a model.
  double timers = 0.2, period_s = 60, timer_max = 200; // Share of models that fire by the clock.
  double amplitude = 0.3, day_s = 600;
  uint64_t seed = 1;
};

// Deterministic: Zipf popularity, two-state Markov-modulated Poisson arrivals, clock-driven bursts, a slow wave over
// all. Fails with errc::invalid on options out of range.
core::result<workload> generate(const workload_options& chosen);

// "SCHEDWL1", little endian: models, classes (u32), requests (u64); per class four doubles; per model a class (u8); per
// request time in us (u64) and model (u32). Reading checks everything: sizes, order of time, finite positive numbers.
core::result<workload> read_workload(const std::filesystem::path& file);
core::result<void> write_workload(const std::filesystem::path& file, const workload& w);
bool looks_like_workload(const std::filesystem::path& file);

// As the published generator prints it.
uint64_t checksum(const workload& w);

} // namespace fastptm::sim
