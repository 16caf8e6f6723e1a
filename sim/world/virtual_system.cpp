// Picks jobs of CAF's test coordinator by seed, and keeps those of frozen nodes aside.
#include "sim/world/virtual_system.hpp"

#include <algorithm>
#include <chrono>

namespace fastptm::sim::world {

namespace {

constexpr uint64_t mixed(uint64_t before, uint64_t value) {
  return (before ^ value) * 0x9e3779b97f4a7c15 + (before >> 29);
}

} // namespace

// Whoever is left runs to its end: the system waits for all of them.
virtual_system::~virtual_system() {
  for (auto& [node, jobs] : waiting_)
    for (auto* job : jobs) base_.scheduler().jobs.push_back(job);
}

// -- nodes ------------------------------------------------------------------------------------------------------------

caf::actor_id virtual_system::latest_id() {
  return system().latest_actor_id();
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
  for (auto* job : waited.mapped()) base_.scheduler().jobs.push_back(job);
}

void virtual_system::run_all_of(const std::string& node) {
  thaw(node);
  const auto is_its = [&](caf::resumable* job) {
    const auto* whose = node_of(*job);
    return whose != nullptr && *whose == node;
  };
  auto& jobs = base_.scheduler().jobs;
  for (auto next = std::ranges::find_if(jobs, is_its); next != jobs.end(); next = std::ranges::find_if(jobs, is_its)) {
    std::iter_swap(jobs.begin(), next);
    const auto before = latest_id();
    base_.scheduler().run_once();
    own(before, node);
  }
}

// -- messages and time ------------------------------------------------------------------------------------------------

bool virtual_system::run_one() {
  auto& jobs = base_.scheduler().jobs;
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
    base_.scheduler().run_once();
    if (node != nullptr) own(before, whose);
    return true;
  }
  return false;
}

std::optional<core::time_us> virtual_system::next_timer_us() const {
  const auto& timers = base_.scheduler().clock().schedule();
  if (timers.empty()) return std::nullopt;
  const auto until = timers.begin()->first - base_.scheduler().clock().current_time;
  // Rounded up: a timer must be due when its time has come.
  return now_us() + std::max<core::duration_us>(0, std::chrono::ceil<std::chrono::microseconds>(until).count());
}

void virtual_system::advance_to(core::time_us at_us) {
  const auto by_us = at_us - now_us();
  if (by_us < 0) return;
  transcript_ = mixed(transcript_, static_cast<uint64_t>(at_us));
  base_.clock().advance(by_us);
  base_.scheduler().advance_time(std::chrono::microseconds(by_us));
}

} // namespace fastptm::sim::world
