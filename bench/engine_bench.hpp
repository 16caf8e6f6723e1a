// How many sequences per second the engine encodes on this host: `fastptm bench engine`.
#pragma once

#include <cstdint>
#include <string>

#include "core/clock.hpp"
#include "core/error.hpp"

namespace fastptm::bench {

struct engine_bench_options {
  std::string arch = "bert-base"; // or "minilm"
  uint32_t batch = 1;
  uint32_t seq = 128; // tokens of each sequence
  unsigned threads = 1;
  std::string dtype = "f32";
  unsigned repetitions = 9; // after one that is not counted
};

struct engine_bench_result {
  double sequences_per_s = 0; // of the median
  core::duration_us median_us = 0;
  core::duration_us minimum_us = 0;
  core::duration_us processor_us =
      0; // median of the processor time of all threads: what neighbours on the machine do not disturb
  std::string isa;
};

// Seeded random weights in a host device of its own, mean pooling. errc::invalid names what cannot be measured.
core::result<engine_bench_result> run_engine_bench(const engine_bench_options& options);

} // namespace fastptm::bench
