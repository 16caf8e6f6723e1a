// Uniform moments, durations by kind.
#include "sim/world/fault_plan.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/random.hpp"

namespace fastptm::sim::world {

namespace {

enum class whom : uint8_t { the_head, a_worker, a_node };

struct fault_shape {
  fault_kind kind;
  const char* name;
  uint32_t fault_counts::*count;
  core::duration_us shortest_us, longest_us;
  whom of;
};

constexpr core::duration_us ms = 1'000;
constexpr fault_shape shapes[] = {
    {fault_kind::kill, "kill", &fault_counts::kills, 200 * ms, 3'000 * ms, whom::a_worker},
    {fault_kind::freeze, "freeze", &fault_counts::freezes, 50 * ms, 4'000 * ms, whom::a_worker},
    {fault_kind::head_pause, "head_pause", &fault_counts::head_pauses, 50 * ms, 2'000 * ms, whom::the_head},
    {fault_kind::head_death, "head_death", &fault_counts::head_deaths, 200 * ms, 3'000 * ms, whom::the_head},
    {fault_kind::slow_link, "slow_link", &fault_counts::slow_links, 500 * ms, 5'000 * ms, whom::a_node},
    {fault_kind::cut, "cut", &fault_counts::cuts, 200 * ms, 5'000 * ms, whom::a_node},
    {fault_kind::liar, "liar", &fault_counts::liars, 200 * ms, 4'000 * ms, whom::a_node},
    {fault_kind::refusal, "refusal", &fault_counts::refusals, 50 * ms, 2'000 * ms, whom::a_node},
    {fault_kind::late_wire, "late_wire", &fault_counts::late_wires, 500 * ms, 5'000 * ms, whom::a_worker},
    {fault_kind::stuck_wire, "stuck_wire", &fault_counts::stuck_wires, 50 * ms, 3'000 * ms, whom::a_worker},
    {fault_kind::broken_wire, "broken_wire", &fault_counts::broken_wires, 0, 2'000 * ms, whom::a_worker},
    {fault_kind::manifest_flip, "manifest_flip", &fault_counts::manifest_flips, 200 * ms, 4'000 * ms, whom::a_worker},
    {fault_kind::arena_flip, "arena_flip", &fault_counts::arena_flips, 0, 1, whom::a_worker},
    {fault_kind::cache_flip, "cache_flip", &fault_counts::cache_flips, 0, 1, whom::the_head},
    {fault_kind::slow_disk, "slow_disk", &fault_counts::slow_disks, 500 * ms, 5'000 * ms, whom::the_head},
    {fault_kind::failing_disk, "failing_disk", &fault_counts::failing_disks, 200 * ms, 3'000 * ms, whom::the_head},
    {fault_kind::object_rot, "object_rot", &fault_counts::object_rots, 500 * ms, 8'000 * ms, whom::the_head},
    {fault_kind::manifest_rot, "manifest_rot", &fault_counts::manifest_rots, 500 * ms, 8'000 * ms, whom::the_head},
    {fault_kind::publication, "publication", &fault_counts::publications, 0, 1, whom::the_head},
};

const fault_shape& shape_of(fault_kind kind) {
  return *std::ranges::find(shapes, kind, &fault_shape::kind);
}

std::string node_name(uint32_t node, uint32_t workers) {
  return node < workers ? fmt::format("worker-{}", node) : "head";
}

} // namespace

std::string to_text(const planned_fault& what, uint32_t workers) {
  auto text = fmt::format("{:.3f} s {}", static_cast<double>(what.at_us) / 1e6, shape_of(what.kind).name);
  if (shape_of(what.kind).of != whom::the_head) text += " " + node_name(what.node, workers);
  if (what.kind == fault_kind::cut) text += " from " + node_name(what.other, workers);
  if (what.until_us > what.at_us + ms)
    text += fmt::format(" for {:.3f} s", static_cast<double>(what.until_us - what.at_us) / 1e6);
  return text;
}

std::vector<planned_fault> plan_faults(const scenario& what, uint64_t seed) {
  core::prng random(seed ^ 0xfa17);
  std::vector<planned_fault> planned;
  for (const auto& shape : shapes) {
    for (uint32_t i = 0; i < what.faults.*shape.count; ++i) {
      planned_fault one{.kind = shape.kind};
      const auto span_us = static_cast<uint64_t>(shape.longest_us - shape.shortest_us);
      const auto lasts_us = shape.shortest_us + static_cast<core::duration_us>(random.below(span_us));
      one.at_us = 1'000 * ms + static_cast<core::time_us>(random.below(
                                   static_cast<uint64_t>(what.duration_us - shape.longest_us - 1'000 * ms)));
      one.until_us = one.at_us + lasts_us;
      const auto nodes = what.workers + (shape.of == whom::a_node ? 1 : 0);
      one.node = static_cast<uint32_t>(random.below(nodes));
      one.other = (one.node + 1 + static_cast<uint32_t>(random.below(nodes - 1))) % nodes;
      one.choice = random.next();
      planned.push_back(one);
    }
  }
  std::ranges::stable_sort(planned, {}, &planned_fault::at_us);
  return planned;
}

} // namespace fastptm::sim::world
