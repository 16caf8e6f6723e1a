// Sums and differences of the moments of a load.
#include "actors/device/load_account.hpp"

#include <algorithm>

#include "weights/load/stage_clock.hpp"

namespace fastptm::actors {

namespace {

void append(std::vector<protocol::load_stage>& to, const std::string& name, int64_t end_us) {
  const auto start_us = to.empty() ? 0 : to.back().end_us;
  if (end_us > start_us) to.push_back({name, start_us, end_us});
}

} // namespace

// Each begins where the one ahead of it has ended: what passes between two actors belongs to the one that it was for.
std::vector<protocol::load_stage> stages_of(const load_times& times, const weights::load_report& report) {
  const auto since = [&](core::time_us at) { return at - times.start_us(); };
  std::vector<protocol::load_stage> stages;
  append(stages, "decide", times.decided_us);
  append(stages, "queue", since(times.room_us));
  append(stages, "evict", since(times.begun_us));
  append(stages, "bind", since(times.bound_us));
  for (const auto& stage : report.stages) append(stages, stage.name, since(stage.end_us));
  stages.push_back({"done", stages.empty() ? 0 : stages.back().end_us, since(report.end_us)});
  return stages;
}

std::string longest_stage(const std::vector<protocol::load_stage>& stages) {
  std::vector<weights::load_stage> parts;
  parts.reserve(stages.size());
  for (const auto& stage : stages) parts.push_back({stage.name, stage.start_us, stage.end_us});
  return std::string(weights::longest_of(parts));
}

core::duration_us computed_us(const computing& batch, core::time_us from_us, core::time_us until_us) {
  const auto within_us = std::min(batch.until_us, until_us) - std::max(batch.from_us, from_us);
  return std::max<core::duration_us>(0, within_us - batch.waited_us);
}

} // namespace fastptm::actors
