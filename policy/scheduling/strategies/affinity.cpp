// affinity: a request is bound to a lane when it comes (in the manner of Clockwork, Gujarati et al. 2020).
// The lane is one that has its model if that will be in time, else the one with the least work, which loads. Lanes
// serve in order of arrival.
#include <algorithm>

#include "policy/scheduling/registry.hpp"
#include "policy/scheduling/strategies/lane_queues.hpp"

namespace fastptm::policy::scheduling {

namespace {

class affinity final : public lane_queues {
  lane_index choose(board& b, uint32_t slot) override {
    const model_index x = b.request(slot).model;
    lane_index best = no_lane;
    time_us best_us = 0;
    const auto consider = [&](std::span<const device_index> devices) {
      for (const device_index d : devices) {
        if (b.device(d).cordoned) continue;
        for (uint32_t i = 0; i < b.device(d).lanes; ++i) {
          const lane_index z{b.device(d).first_lane.value + i};
          const time_us end_us = ready_us(b, z) + b.execution_us(x, d, 1);
          if (best == no_lane || end_us < best_us) best = z, best_us = end_us;
        }
      }
    };
    consider(b.holders(x));
    consider(b.loading(x));
    if (best != no_lane && best_us <= b.request(slot).deadline_us) return best;
    const lane_index spill = least_loaded(b);
    if (best == no_lane || spill == no_lane) return spill == no_lane ? best : spill;
    const device_index there = b.lane(spill).device;
    return ready_us(b, spill) + b.load_us(x, there) + b.execution_us(x, there, 1) < best_us ? spill : best;
  }
};

} // namespace

std::unique_ptr<strategy> make_affinity(const options&) {
  return std::make_unique<affinity>();
}

} // namespace fastptm::policy::scheduling
