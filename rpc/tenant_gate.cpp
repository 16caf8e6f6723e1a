// Counts, and readers that wait: for a place, for their client to read, for the next round.
#include "rpc/tenant_gate.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "core/clock.hpp"

namespace fastptm::rpc {

namespace {

// Long enough that a round costs little, short enough that who waits for one does not notice it.
constexpr core::duration_us round_us = 2'000;
// Of this thread, measured on slow cores: to read a message, look into it, pass it on and write its answer.
constexpr core::duration_us message_us = 40;
constexpr uint64_t bytes_per_us = 1'000;
// Above what is admitted: who is refused there is told when to come again.
constexpr uint32_t requests_to_refuse = 64;
// An answer of all loads is half a MiB and some milliseconds of this thread.
constexpr uint32_t most_lists = 2;
// Pieces of uploads, a MiB each, that wait for the disk.
constexpr uint32_t most_writes = 8;
// Each waits for what runs on its model, a second or two mostly.
constexpr uint32_t most_removals = 16;
// Whoever does not take its answers waits so long between two looks.
constexpr auto unread_pause = 5 * kj::MILLISECONDS;

void wake_all(std::vector<kj::Own<kj::PromiseFulfiller<void>>>& waiting) {
  for (auto& each : std::exchange(waiting, {})) each->fulfill();
}

kj::Promise<void> wait_in(std::vector<kj::Own<kj::PromiseFulfiller<void>>>& line) {
  std::erase_if(line, [](auto& each) { return !each->isWaiting(); }); // whose connections have ended
  auto made = kj::newPromiseAndFulfiller<void>();
  line.push_back(kj::mv(made.fulfiller));
  return kj::mv(made.promise);
}

} // namespace

// -- one tenant -------------------------------------------------------------------------------------------------------

tenant_account::tenant_account(tenant_gate& gate, std::string name, policy::tenant_index index, core::counter& waits)
    : gate_(gate), name_(std::move(name)),
      index_(index), most_in_progress_{gate.bounds_.requests.at(name_) + requests_to_refuse, gate.bounds_.calls,
                                       most_lists, most_writes},
      most_handles_(gate.bounds_.handles), waits_(waits) {}

tenant_account::place::~place() {
  if (of_ == nullptr) return;
  --count_;
  of_->wake();
}

core::result<tenant_account::place> tenant_account::take_handle() {
  if (handles_ >= most_handles_)
    return core::fail(core::errc::quota_exceeded,
                      fmt::format("the clients of {} hold {} models and uploads, its limit: drop what is not used, or "
                                  "raise quotas.maxHandles",
                                  name_, handles_));
  return place(shared_from_this(), handles_);
}

core::result<tenant_account::place> tenant_account::begin_removal() {
  if (removals_ >= most_removals)
    return core::fail(core::errc::quota_exceeded,
                      fmt::format("{} models of {} are being taken back: wait for one of them", removals_, name_));
  return place(shared_from_this(), removals_);
}

void tenant_account::charge(core::duration_us cost_us) {
  gate_.turns_.charge(index_, cost_us, core::monotonic_now_us());
}

bool tenant_account::is_full() const {
  for (size_t kind = 0; kind < in_progress_.size(); ++kind)
    if (in_progress_[kind] >= most_in_progress_[kind]) return true;
  return false;
}

void tenant_account::wake() {
  if (!waiting_.empty() && !is_full()) wake_all(waiting_);
}

// -- all of them ------------------------------------------------------------------------------------------------------

tenant_gate::tenant_gate(kj::Timer& timer, tenant_bounds bounds, core::metrics_registry& metrics)
    : timer_(timer), bounds_(std::move(bounds)), metrics_(metrics), turns_(round_us) {
  for (const auto& [tenant, most] : bounds_.requests) (void)of(tenant); // their figures are there before they come
}

tenant_account& tenant_gate::of(const std::string& tenant) {
  auto& known = accounts_[tenant];
  if (known == nullptr) {
    const policy::tenant_index index{static_cast<uint32_t>(accounts_.size() - 1)};
    auto& waits =
        metrics_.make_counter("fastptm_rpc_held_reads_total",
                              "Times that a tenant's connection was not read because of what the tenant occupies",
                              fmt::format("tenant=\"{}\"", tenant));
    known = std::make_shared<tenant_account>(*this, tenant, index, waits);
  }
  return *known;
}

kj::Promise<void> tenant_gate::turn(tenant_account& of, const std::shared_ptr<gate_visitor>& connection) {
  auto again = [this, &of, connection] { return turn(of, connection); };
  if (connection->unread_bytes() > bounds_.unread_bytes) {
    of.waits_.add();
    return timer_.afterDelay(unread_pause).then(kj::mv(again));
  }
  if (of.is_full()) {
    of.waits_.add();
    return wait_in(of.waiting_).then(kj::mv(again));
  }
  if (!turns_.may_go(of.index_)) {
    of.waits_.add();
    return next_round().then(kj::mv(again));
  }
  return kj::READY_NOW;
}

// By the timer, also where it follows at once: what others have sent meanwhile is looked at first.
kj::Promise<void> tenant_gate::next_round() {
  if (waiting_.empty()) {
    const auto now = core::monotonic_now_us();
    const auto pause_us = std::max<core::duration_us>(0, turns_.next_round_us(now) - now);
    round_ = timer_.afterDelay(pause_us * kj::MICROSECONDS)
                 .then([this] {
                   turns_.begin_round(core::monotonic_now_us());
                   wake_all(waiting_);
                 })
                 .eagerlyEvaluate(nullptr);
  }
  return wait_in(waiting_);
}

void tenant_gate::took(tenant_account& of, uint64_t bytes) {
  of.charge(message_us + static_cast<core::duration_us>(bytes / bytes_per_us));
}

bool tenant_gate::call_came(tenant_account& of) {
  return ++of.unfinished_ <= bounds_.unfinished;
}

} // namespace fastptm::rpc
