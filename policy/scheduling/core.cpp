// One decision: events onto the board, then the strategy.
#include "policy/scheduling/core.hpp"

#include "policy/scheduling/board.hpp"
#include "policy/scheduling/strategy.hpp"

namespace fastptm::policy::scheduling {

scheduling_core::scheduling_core(const options& chosen, std::unique_ptr<strategy> plan)
    : board_(std::make_unique<board>(chosen)), strategy_(std::move(plan)) {
  board_->strategy_ = strategy_.get();
}

scheduling_core::~scheduling_core() = default;

rejection scheduling_core::take(const event& what) {
  const rejection reason = std::visit([this](const auto& e) { return board_->apply(e); }, what);
  if (reason != rejection::none) ++board_->counters_.rejected[static_cast<size_t>(reason)];
  return reason;
}

rejection scheduling_core::on(const event& what, time_us now, commands& out) {
  board_->begin(now, out);
  const rejection reason = take(what);
  strategy_->decide(*board_);
  board_->finish_decision();
  return reason;
}

size_t scheduling_core::on(std::span<const event> what, time_us now, commands& out, std::span<rejection> reasons) {
  size_t rejected = 0;
  board_->begin(now, out);
  for (size_t i = 0; i < what.size(); ++i) {
    const rejection reason = take(what[i]);
    rejected += reason != rejection::none ? 1 : 0;
    if (!reasons.empty()) reasons[i] = reason;
  }
  strategy_->decide(*board_);
  board_->finish_decision();
  return rejected;
}

bool scheduling_core::holds(request_ref request) const {
  return board_->holds(request);
}
const core_counters& scheduling_core::counters() const {
  return board_->counters();
}
const options& scheduling_core::chosen() const {
  return board_->chosen();
}
const board& scheduling_core::state() const {
  return *board_;
}
judgement scheduling_core::judge(lane_index lane, model_index model) const {
  return strategy_->judge(*board_, lane, model);
}

std::string_view name_of(const event& what) noexcept {
  static constexpr std::array<std::string_view, std::variant_size_v<event>> names{
      "tenant_added", "model_added", "model_removed", "device_joined", "device_lost", "device_cordoned", "arrival",
      "cancelled",    "batch_done",  "batch_failed",  "load_done",     "load_failed", "set_evicted",     "timer"};
  return names[what.index()];
}

std::string_view to_string(rejection reason) noexcept {
  switch (reason) {
    case rejection::none:
      return "none";
    case rejection::unknown_model:
      return "unknown_model";
    case rejection::unknown_device:
      return "unknown_device";
    case rejection::unknown_request:
      return "unknown_request";
    case rejection::stale:
      return "stale";
    case rejection::duplicate:
      return "duplicate";
    case rejection::absurd:
      return "absurd";
    case rejection::full:
      return "full";
  }
  return "unknown";
}

std::string_view to_string(objection_kind kind) noexcept {
  switch (kind) {
    case objection_kind::none:
      return "none";
    case objection_kind::nothing_waits:
      return "nothing_waits";
    case objection_kind::only_late:
      return "only_late";
    case objection_kind::lane_busy:
      return "lane_busy";
    case objection_kind::gone:
      return "gone";
    case objection_kind::cordoned:
      return "cordoned";
    case objection_kind::load_failed:
      return "load_failed";
    case objection_kind::did_not_fit:
      return "did_not_fit";
    case objection_kind::too_large:
      return "too_large";
    case objection_kind::no_room:
      return "no_room";
    case objection_kind::tenant_ahead:
      return "tenant_ahead";
    case objection_kind::holder_is_sooner:
      return "holder_is_sooner";
    case objection_kind::better_place:
      return "better_place";
    case objection_kind::other_work_ready:
      return "other_work_ready";
    case objection_kind::load_held:
      return "load_held";
  }
  return "unknown";
}

std::string_view to_string(load_reason reason) noexcept {
  switch (reason) {
    case load_reason::request:
      return "request";
    case load_reason::prefetch:
      return "prefetch";
    case load_reason::replica:
      return "replica";
  }
  return "unknown";
}

std::string_view to_string(refusal reason) noexcept {
  switch (reason) {
    case refusal::late:
      return "late";
    case refusal::unservable:
      return "unservable";
    case refusal::unavailable:
      return "unavailable";
  }
  return "unknown";
}

} // namespace fastptm::policy::scheduling
