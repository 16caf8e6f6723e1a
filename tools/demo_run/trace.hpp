// The demo's request stream: who asks which model what and when, drawn from one seed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/clock.hpp"

namespace fastptm::demo {

struct planned_request {
  core::time_us at_us = 0; // since the start of the stream
  uint32_t model = 0;
  uint32_t sentence = 0;
  core::duration_us deadline_us = 0;
};

struct trace_options {
  uint64_t seed = 1;
  uint32_t models = 0;
  uint32_t sentences = 0;
  double requests_per_s = 0;
  double seconds = 0;
};

// Poisson arrivals; models by Zipf's law (exponent 0.9), so that a few are hot and all are asked for.
std::vector<planned_request> draw_trace(const trace_options& options);

// Sentences of a text file: split at full stops, white space folded, 20 to 300 bytes each, at most `limit`.
std::vector<std::string> read_sentences(const std::string& path, size_t limit);

} // namespace fastptm::demo
