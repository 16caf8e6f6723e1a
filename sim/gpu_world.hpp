// Simulated GPUs: lanes that execute, copy engines that load from the nearest source. The world of `cluster-replay`.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "policy/scheduling/events.hpp"
#include "sim/event_wheel.hpp"
#include "sim/workload.hpp"

namespace fastptm::sim {

struct gpu_event {
  enum class kind : uint8_t { batch_done, load_done } what = kind::batch_done;
  uint32_t gpu = 0;
  uint64_t id = 0;
};

struct gpu_load {
  uint64_t bytes = 0;
  core::duration_us took_us = 0; // Without the wait for a copy engine.
};

// One lane per GPU. Not modelled: contention between links, host memory limits, failures.
class gpu_world {
public:
  // `speeds`: of execution, by kind; GPU g is of kind g modulo their number. Borrowed.
  gpu_world(const workload& w, uint32_t gpus, uint32_t gpus_per_node, uint32_t copy_engines,
            const std::array<double, policy::expected_source_count>& links_gb, std::span<const double> speeds);

  void begin(core::time_us now, const policy::scheduling::load& l);
  void begin(core::time_us now, const policy::scheduling::evict& e);
  core::duration_us begin(core::time_us now, const policy::scheduling::run& r); // What the execution takes.
  gpu_load loaded(uint32_t gpu, uint64_t load);                                 // The set of the load is there.

  event_wheel<gpu_event>& coming() { return coming_; }
  uint64_t loads() const { return loads_; }
  const std::array<uint64_t, policy::expected_source_count>& bytes_by_source() const { return bytes_; }
  core::duration_us busy_us() const { return busy_us_; }
  core::duration_us copying_us() const { return copying_us_; }

private:
  struct load_state {
    uint64_t id = 0;
    uint32_t model = 0;
    core::time_us ready_us = 0;
    core::duration_us takes_us = 0;
  };
  struct gpu_state {
    std::vector<core::time_us> engine_free_us;
    std::vector<load_state> loads;
  };
  uint32_t node_of(uint32_t gpu) const { return gpu / gpus_per_node_; }
  uint16_t& copies(uint32_t model, uint32_t node) { return copies_[size_t{model} * nodes_ + node]; }

  const workload& w_;
  uint32_t gpus_per_node_, nodes_;
  std::array<double, policy::expected_source_count> us_per_byte_{};
  std::span<const double> speeds_;
  std::vector<std::array<core::duration_us, 2>> costs_us_; // By class: base, each.
  std::vector<gpu_state> gpus_;
  std::vector<uint16_t> copies_; // Ready sets by model and node.
  event_wheel<gpu_event> coming_;
  uint64_t loads_ = 0;
  std::array<uint64_t, policy::expected_source_count> bytes_{};
  core::duration_us busy_us_ = 0, copying_us_ = 0;
};

} // namespace fastptm::sim
