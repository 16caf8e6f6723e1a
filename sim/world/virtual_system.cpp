// Picks jobs of CAF's test coordinator by seed, and keeps those of frozen nodes aside.
#include "sim/world/virtual_system.hpp"

#include <algorithm>
#include <chrono>

#include "core/check.hpp"
#include "protocol/interfaces.hpp"

namespace fastptm::sim::world {

namespace {

// Far enough from zero, which CAF's timers take for "not set".
constexpr std::chrono::hours first_hour{1};

constexpr uint64_t mixed(uint64_t before, uint64_t value) {
  return (before ^ value) * 0x9e3779b97f4a7c15 + (before >> 29);
}

} // namespace

struct virtual_system::config : caf::actor_system_config {
  config() {
    set("scheduler.policy", caf::atom("testing"));
    add_message_types<caf::id_block::fastptm>();
  }
};

virtual_system::virtual_system(uint64_t seed, core::time_us start_us)
    : config_(std::make_unique<config>()), system_(std::make_unique<caf::actor_system>(*config_)),
      scheduler_(&dynamic_cast<caf::scheduler::test_coordinator&>(system_->scheduler())), random_(seed) {
  scheduler_->clock().current_time += first_hour;
  clock_.advance(start_us);
}

// Whoever is left runs to its end first: the system waits for all of them.
virtual_system::~virtual_system() {
  for (auto& [node, jobs] : waiting_)
    for (auto* job : jobs) scheduler_->jobs.push_back(job);
  scheduler_->run();
}

// -- nodes ------------------------------------------------------------------------------------------------------------

caf::actor_id virtual_system::latest_id() const {
  return system_->latest_actor_id();
}

void virtual_system::own(caf::actor_id after, const std::string& node) {
  for (auto id = after + 1; id <= latest_id(); ++id) nodes_[id] = node;
}

const std::string* virtual_system::node_of(caf::resumable& job) const {
  const auto* actor = dynamic_cast<caf::abstract_actor*>(&job);
  if (actor == nullptr) return nullptr;
  const auto found = nodes_.find(actor->id());
  return found == nodes_.end() ? nullptr : &found->second;
}

void virtual_system::freeze(const std::string& node) {
  frozen_.insert(node);
}

void virtual_system::thaw(const std::string& node) {
  frozen_.erase(node);
  auto waited = waiting_.extract(node);
  if (!waited) return;
  for (auto* job : waited.mapped()) scheduler_->jobs.push_back(job);
}

void virtual_system::run_all_of(const std::string& node) {
  thaw(node);
  const auto is_its = [&](caf::resumable* job) {
    const auto* whose = node_of(*job);
    return whose != nullptr && *whose == node;
  };
  auto& jobs = scheduler_->jobs;
  for (auto next = std::ranges::find_if(jobs, is_its); next != jobs.end(); next = std::ranges::find_if(jobs, is_its)) {
    std::iter_swap(jobs.begin(), next);
    const auto before = latest_id();
    scheduler_->run_once();
    own(before, node);
  }
}

// -- messages and time ------------------------------------------------------------------------------------------------

bool virtual_system::run_one() {
  auto& jobs = scheduler_->jobs;
  while (!jobs.empty()) {
    const auto at = static_cast<std::ptrdiff_t>(random_.below(jobs.size()));
    auto* const job = jobs[static_cast<size_t>(at)];
    const auto* const node = node_of(*job);
    if (node != nullptr && frozen_.contains(*node)) {
      waiting_[*node].push_back(job);
      jobs.erase(jobs.begin() + at);
      continue;
    }
    std::iter_swap(jobs.begin(), jobs.begin() + at);
    const auto before = latest_id();
    const auto whose = node == nullptr ? std::string() : *node;
    if (const auto* actor = dynamic_cast<caf::abstract_actor*>(job)) transcript_ = mixed(transcript_, actor->id());
    ++messages_;
    scheduler_->run_once();
    if (node != nullptr) own(before, whose);
    return true;
  }
  return false;
}

std::optional<core::time_us> virtual_system::next_timer_us() const {
  const auto& timers = scheduler_->clock().schedule();
  if (timers.empty()) return std::nullopt;
  const auto until = timers.begin()->first - scheduler_->clock().current_time;
  // Rounded up: a timer must be due when its time has come.
  return now_us() + std::max<core::duration_us>(0, std::chrono::ceil<std::chrono::microseconds>(until).count());
}

void virtual_system::advance_to(core::time_us at_us) {
  const auto by_us = at_us - now_us();
  if (by_us < 0) return;
  transcript_ = mixed(transcript_, static_cast<uint64_t>(at_us));
  clock_.advance(by_us);
  scheduler_->advance_time(std::chrono::microseconds(by_us));
}

} // namespace fastptm::sim::world
