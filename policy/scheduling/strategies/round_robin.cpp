// round_robin: each request goes to the next lane; for comparison at cluster scale.
#include "policy/scheduling/registry.hpp"
#include "policy/scheduling/strategies/lane_queues.hpp"

namespace fastptm::policy::scheduling {

namespace {

class round_robin final : public lane_queues {
  lane_index choose(board& b, uint32_t) override {
    for (uint32_t tried = 0; tried < b.lane_count(); ++tried) {
      const lane_index z{next_++ % b.lane_count()};
      if (usable(b, z)) return z;
    }
    return no_lane;
  }

  uint32_t next_ = 0;
};

} // namespace

std::unique_ptr<strategy> make_round_robin(const options&) {
  return std::make_unique<round_robin>();
}

} // namespace fastptm::policy::scheduling
