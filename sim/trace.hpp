// Traces of one GPU's or a few lanes' requests: the published format, timed lists and binary workloads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "core/error.hpp"

namespace fastptm::sim {

struct trace_request {
  double arrival_ms = 0;
  uint32_t model = 0;
  double deadline_ms = 0; // Absolute.
};

struct trace {
  std::vector<trace_request> requests; // In order of arrival.
  double end_ms = 0;                   // When the sender stops.
  uint32_t models = 0;                 // Highest + 1.
};

struct trace_options {
  double rate = 1.0;         // Time runs this much faster.
  double oversleep_ms = 0;   // Added to every interval of the published format.
  double deadline_ms = 3000; // Of requests that bring none.
};

// A JSON list of [model letter, seconds until the next], or of [time in ms, model(, deadline in ms after it)], or the
// binary of gen-workload (by its first bytes).
// Fails with errc::invalid naming the record: unsorted, negative, not finite.
core::result<trace> read_trace(const std::filesystem::path& file, const trace_options& chosen);

} // namespace fastptm::sim
