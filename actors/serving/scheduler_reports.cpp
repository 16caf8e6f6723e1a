// The scheduler's answers to administrators: names for the indices of policy/scheduling/explain.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "actors/serving/scheduler.hpp"
#include "policy/scheduling/board.hpp"
#include "policy/scheduling/explain.hpp"
#include "protocol/errors.hpp"

namespace fastptm::actors {

namespace scheduling = policy::scheduling;

namespace {

// Requests per microsecond to millionths of requests per second.
uint64_t micro_rps(double value) {
  constexpr double most = 9e18;
  return static_cast<uint64_t>(std::clamp(value * 1e12, 0.0, most));
}

protocol::explained_device row_of(const scheduling::device_terms& terms, const std::string& device) {
  protocol::explained_device row;
  row.device = device;
  row.resident = terms.resident;
  row.is_loading = terms.loading.has_value();
  if (terms.loading)
    row.loading = {to_reason(terms.loading->reason), std::string(policy::to_string(terms.loading->source)),
                   terms.loading_left_us};
  row.source = policy::to_string(terms.source);
  row.missing_bytes = terms.missing_bytes;
  row.load_us = terms.load_us;
  row.engine_wait_us = terms.engine_wait_us;
  row.price_us = std::llround(terms.price_us);
  row.lane_wait_us = terms.lane_wait_us;
  row.run_one_us = terms.run_one_us;
  row.batch = terms.batch;
  row.run_batch_us = terms.run_batch_us;
  row.has_value = terms.value.has_value();
  row.value_micro_rps = micro_rps(terms.value.value_or(0.0));
  row.against = to_string(terms.against.why);
  row.against_for_us = terms.against.for_us;
  return row;
}

} // namespace

protocol::load_reason to_reason(scheduling::load_reason reason) {
  switch (reason) {
    case scheduling::load_reason::request:
      return protocol::load_reason::request;
    case scheduling::load_reason::prefetch:
      return protocol::load_reason::prefetch;
    case scheduling::load_reason::replica:
      return protocol::load_reason::replica;
  }
  return protocol::load_reason::request;
}

std::optional<uint32_t> scheduler::find_version(const std::string& name) const {
  if (name.find('@') != std::string::npos) return find_model(name);
  std::optional<uint32_t> newest;
  for (uint32_t i = 0; i < models_.size(); ++i) {
    const auto& row = models_[i].row;
    if (models_[i].is_removed || row.name.substr(0, row.name.rfind('@')) != name) continue;
    if (!newest || models_[*newest].row.id < row.id) newest = i;
  }
  return newest;
}

caf::result<protocol::explanation> scheduler::on_explain(const std::string& model) {
  const auto wanted = find_version(model);
  if (!wanted) return protocol::to_caf(core::errc::not_found, fmt::format("no model '{}'", model));
  decide();
  tell(scheduling::timer{}); // the core's estimates are of its last event
  const auto told = scheduling::explain(*core_, {*wanted});
  protocol::explanation out;
  out.model = models_[*wanted].row.name;
  out.strategy = options_.core.strategy;
  out.queued = told.queue.queued;
  out.late = told.queue.late;
  out.has_head = told.head_left_us.has_value();
  out.head_remaining_us = told.head_left_us.value_or(0);
  out.tenant = {models_[*wanted].row.tenant, told.tenant_share,
                static_cast<uint64_t>(std::max(0.0, told.tenant_service_us)), told.tenant_ahead};
  for (const auto& terms : told.devices) {
    out.devices.push_back(row_of(terms, devices_[terms.device.value].name));
    for (const auto victim : terms.would_go) out.devices.back().would_go.push_back(models_[victim.value].row.name);
  }
  return out;
}

protocol::plan_list scheduler::on_plans() {
  decide();
  tell(scheduling::timer{});
  const auto& board = core_->state();
  protocol::plan_list out;
  const auto lengths = scheduling::queue_lengths(board);
  for (size_t x = 0; x < lengths.size(); ++x)
    if (lengths[x].queued + lengths[x].late > 0)
      out.queues.push_back({models_[x].row.name, lengths[x].queued, lengths[x].late});
  for (uint32_t d = 0; d < board.device_count(); ++d)
    if (board.device({d}).joined) out.devices.push_back(plan_of(d));
  return out;
}

protocol::device_plan scheduler::plan_of(uint32_t device) const {
  const auto& board = core_->state();
  const auto& state = board.device({device});
  const auto left_us = [&](core::time_us until_us) { return std::max<core::duration_us>(0, until_us - board.now()); };
  protocol::device_plan out{devices_[device].name, {}, {}};
  for (const auto& load : state.loads)
    out.loads.push_back({models_[load.model.value].row.name, to_reason(load.reason), left_us(load.ready_us)});
  for (uint32_t i = 0; i < state.lanes; ++i) {
    const auto& lane = board.lane({state.first_lane.value + i});
    if (lane.batch.value == 0)
      out.lanes.emplace_back();
    else
      out.lanes.push_back({models_[lane.active.value].row.name, lane.count, left_us(lane.free_us)});
  }
  return out;
}

} // namespace fastptm::actors
