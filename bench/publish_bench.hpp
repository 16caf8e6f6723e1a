// How fast a model folder becomes a published model on disk: `fastptm bench publish`.
#pragma once

#include <cstdint>
#include <filesystem>

#include "core/error.hpp"

namespace fastptm::bench {

struct publish_bench_options {
  std::filesystem::path model;   // a model folder
  std::filesystem::path scratch; // an existing folder for a new store per repetition
  unsigned repetitions = 7;      // after one that is not counted
};

struct publish_bench_result {
  uint64_t bytes = 0;    // of the weight set
  uint64_t rate_bps = 0; // bytes per second, medians
  uint64_t bare_bps = 0; // the same bytes written to one file and synced
  uint64_t fraction_ppm = 0;
};

// The importer and the store as the cluster uses them, without the upload.
core::result<publish_bench_result> run_publish_bench(const publish_bench_options& options);

} // namespace fastptm::bench
