// Traces and workloads: what is accepted is in order of time, and names only models that there are.
#include "sim/trace.hpp"

#include <cmath>

#include "core/check.hpp"
#include "sim/workload.hpp"
#include "tests/fuzz/bytes.hpp"

namespace fastptm::sim {
namespace {

void check_trace(const trace& read) {
  double before_ms = 0;
  for (const auto& each : read.requests) {
    core::check(each.arrival_ms >= before_ms, "in order of arrival");
    core::check(each.model < read.models, "models are counted");
    core::check(std::isfinite(each.deadline_ms), "deadlines are numbers");
    before_ms = each.arrival_ms;
  }
  core::check(read.end_ms >= before_ms, "the end comes last");
}

} // namespace
} // namespace fastptm::sim

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fastptm;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const fuzz::memory_file holding(text);
  if (const auto read = sim::read_trace(holding.path(), {})) sim::check_trace(*read);
  if (!sim::looks_like_workload(holding.path())) return 0;
  const auto work = sim::read_workload(holding.path());
  if (!work) return 0;
  const fuzz::memory_file copy("");
  core::check(sim::write_workload(copy.path(), *work).has_value(), "what was read can be written");
  const auto again = sim::read_workload(copy.path());
  core::check(again && sim::checksum(*again) == sim::checksum(*work), "what we write reads back the same");
  return 0;
}
