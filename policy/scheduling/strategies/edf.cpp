// edf: one queue for all; the earliest deadline goes first, to a lane that runs its model if one is idle.
#include <algorithm>

#include "policy/scheduling/registry.hpp"

namespace fastptm::policy::scheduling {

namespace {

class edf final : public strategy {
  void decide(board& b) override {
    blocked_.clear();
    while (!b.idle().empty()) {
      const model_index x = earliest(b);
      if (x == no_model) break;
      if (!b.start(lane_for(b, x), x, queue_kind::live, b.chosen().max_batch)) blocked_.push_back(x);
    }
  }

  model_index earliest(const board& b) const {
    model_index best = no_model;
    for (const model_index x : b.live_models()) {
      if (std::find(blocked_.begin(), blocked_.end(), x) != blocked_.end()) continue;
      if (best == no_model || std::pair(b.head_deadline_us(x), x) < std::pair(b.head_deadline_us(best), best)) best = x;
    }
    return best;
  }

  static lane_index lane_for(const board& b, model_index x) {
    for (lane_index z = b.idle().first(); z != no_lane; z = b.idle().after(z))
      if (b.lane(z).active == x) return z;
    return b.idle().first();
  }

  std::vector<model_index> blocked_; // Cannot be loaded now.
};

} // namespace

std::unique_ptr<strategy> make_edf(const options&) {
  return std::make_unique<edf>();
}

} // namespace fastptm::policy::scheduling
