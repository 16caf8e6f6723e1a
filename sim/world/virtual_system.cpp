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
  for (auto& node : nodes_)
    for (auto* job : node.waiting) base_.scheduler().jobs.push_back(job);
}

// -- nodes ------------------------------------------------------------------------------------------------------------

caf::actor_id virtual_system::latest_id() {
  return system().latest_actor_id();
}

virtual_system::node_number virtual_system::number_of(const std::string& node) {
  const auto [found, is_new] = numbers_.try_emplace(node, static_cast<node_number>(nodes_.size()));
  if (is_new) nodes_.emplace_back();
  return found->second;
}

void virtual_system::own(caf::actor_id after, node_number node) {
  const auto latest = latest_id();
  if (latest == after) return;
  owners_.resize(latest + 1);
  std::fill(owners_.begin() + static_cast<std::ptrdiff_t>(after) + 1, owners_.end(), node);
}

// 0: it is no actor.
caf::actor_id virtual_system::id_of(caf::resumable& job) {
  if (job.subtype() != caf::resumable::scheduled_actor) return 0;
  return static_cast<caf::scheduled_actor&>(job).id();
}

virtual_system::node_number virtual_system::node_of(caf::resumable& job) const {
  const auto id = id_of(job);
  return id < owners_.size() ? owners_[id] : 0;
}

void virtual_system::freeze(const std::string& node) {
  nodes_[number_of(node)].is_frozen = true;
}

void virtual_system::thaw(const std::string& node) {
  auto& thawed = nodes_[number_of(node)];
  thawed.is_frozen = false;
  for (auto* job : std::exchange(thawed.waiting, {})) base_.scheduler().jobs.push_back(job);
}

void virtual_system::run_all_of(const std::string& node) {
  thaw(node);
  const auto is_its = [&, whose = number_of(node)](caf::resumable* job) { return node_of(*job) == whose; };
  auto& jobs = base_.scheduler().jobs;
  for (auto next = std::ranges::find_if(jobs, is_its); next != jobs.end(); next = std::ranges::find_if(jobs, is_its)) {
    std::iter_swap(jobs.begin(), next);
    run_first();
  }
}

// -- messages and time ------------------------------------------------------------------------------------------------

void virtual_system::run_first() {
  const auto node = node_of(*base_.scheduler().jobs.front());
  const auto before = latest_id();
  base_.scheduler().run_once();
  if (node != 0) own(before, node);
}

bool virtual_system::run_one() {
  auto& jobs = base_.scheduler().jobs;
  while (!jobs.empty()) {
    const auto at = static_cast<std::ptrdiff_t>(random_.below(jobs.size()));
    auto* const job = jobs[static_cast<size_t>(at)];
    if (auto& node = nodes_[node_of(*job)]; node.is_frozen) {
      node.waiting.push_back(job);
      jobs.erase(jobs.begin() + at);
      continue;
    }
    std::iter_swap(jobs.begin(), jobs.begin() + at);
    transcript_ = mixed(transcript_, id_of(*job));
    ++messages_;
    run_first();
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
