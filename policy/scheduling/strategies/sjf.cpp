// sjf: one queue for all; what needs the shortest setup goes first (no switch before any switch), then the oldest.
#include <algorithm>
#include <tuple>

#include "policy/scheduling/registry.hpp"

namespace fastptm::policy::scheduling {

namespace {

class sjf final : public strategy {
  void decide(board& b) override {
    blocked_.clear();
    while (!b.idle().empty()) {
      const auto [setup_us, arrival_us, z, x] = cheapest(b);
      if (z == no_lane) break;
      if (!b.start(z, x, queue_kind::live, b.chosen().max_batch)) blocked_.push_back({z, x});
    }
  }

  using job = std::tuple<duration_us, time_us, lane_index, model_index>;
  job cheapest(const board& b) const {
    job best{0, 0, no_lane, no_model};
    for (lane_index z = b.idle().first(); z != no_lane; z = b.idle().after(z)) {
      for (const model_index x : b.live_models()) {
        const job j{b.setup_us(z, x), b.head_arrival_us(x), z, x};
        if (std::get<2>(best) != no_lane && !(j < best)) continue;
        if (std::find(blocked_.begin(), blocked_.end(), std::pair(z, x)) == blocked_.end()) best = j;
      }
    }
    return best;
  }

  std::vector<std::pair<lane_index, model_index>> blocked_; // Cannot be loaded there now.
};

} // namespace

std::unique_ptr<strategy> make_sjf(const options&) {
  return std::make_unique<sjf>();
}

} // namespace fastptm::policy::scheduling
