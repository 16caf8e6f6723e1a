// Lanes and pools that take exactly the times they are told, and write down what they do: the world of `replay`.
#pragma once

#include <cstdint>
#include <vector>

#include "policy/scheduling/events.hpp"
#include "sim/event_heap.hpp"
#include "sim/replay.hpp"

namespace fastptm::sim {

class lane_world {
public:
  struct times_us {
    core::time_us exec = 0, exec_base = 0, load = 0, activate = 0, cold = 0, dispatch = 0;
  };
  lane_world(uint32_t lanes, const replay_costs& costs, const times_us& times);

  uint32_t pools() const { return shared_ ? 1 : lanes_per_world_; }
  uint32_t lanes_per_pool() const { return shared_ ? lanes_per_world_ : 1; }

  // The model is there from the beginning.
  void preload(uint32_t pool, uint32_t model);
  void carry_out(core::time_us now, const policy::scheduling::commands& what);

  bool anything_coming() const { return !coming_.empty(); }
  core::time_us next_us() const { return coming_.next_us(); }
  // Appends what happens at this instant.
  void take_due(core::time_us now, std::vector<policy::scheduling::event>& to);

  const schedule& log() const { return log_; }

private:
  struct pool_state {
    std::vector<core::time_us> engine_free_us;
    std::vector<core::time_us> ready_us; // By model; when its last load ends.
  };
  struct lane_state {
    uint32_t active = ~0u;
    bool cold = true;
  };
  void begin(core::time_us now, const policy::scheduling::load& l);
  void begin(core::time_us now, const policy::scheduling::run& r, std::span<const policy::scheduling::request_ref> who);
  void begin(core::time_us now, const policy::scheduling::evict& e);

  times_us times_;
  bool shared_;
  uint32_t lanes_per_world_, layers_;
  std::vector<pool_state> pools_;
  std::vector<lane_state> lanes_;
  event_heap<policy::scheduling::event> coming_;
  schedule log_;
};

} // namespace fastptm::sim
