// omls_clean: the idea of OMLS without its quirks: event driven, no cache; an urgent request goes to a lane that has
// its model; else a lane goes on with what its device holds; else it takes the oldest model that nobody holds.
#include <algorithm>

#include "policy/scheduling/registry.hpp"

namespace fastptm::policy::scheduling {

namespace {

class omls_clean final : public strategy {
  void decide(board& b) override {
    blocked_.clear();
    while (!b.idle().empty() && !b.live_models().empty()) {
      const auto [z, x] = next(b);
      if (z == no_lane) break;
      if (!drop_doomed(b, z, x)) continue;
      if (!b.start(z, x, queue_kind::live, b.chosen().max_batch)) blocked_.push_back(x);
    }
    if (b.idle().empty()) return;
    for (const model_index x : b.live_models())
      if (const time_us at_us = urgent_at_us(b, x); at_us > b.now()) b.wake_at(at_us);
    if (b.live_models().empty() && !b.late_models().empty())
      b.start(b.idle().first(), b.late_models().front(), queue_kind::late, b.chosen().max_batch);
  }

  // The threshold was chosen for deadlines of 3 s: it shrinks with shorter ones.
  static time_us urgent_at_us(const board& b, model_index x) {
    constexpr duration_us published_deadline_us = 3'000'000;
    const request_entry& head = b.request(b.live_head(x));
    const duration_us allowed_us = std::min(head.deadline_us - head.arrival_us, published_deadline_us);
    return head.arrival_us + allowed_us * b.chosen().urgent_us / published_deadline_us + 1;
  }

  std::pair<lane_index, model_index> next(const board& b) const {
    model_index urgent = no_model, oldest = no_model;
    for (const model_index x : b.live_models()) {
      if (std::find(blocked_.begin(), blocked_.end(), x) != blocked_.end()) continue;
      if (urgent_at_us(b, x) <= b.now() && (urgent == no_model || b.head_deadline_us(x) < b.head_deadline_us(urgent)))
        urgent = x;
      if (b.holders(x).empty() && b.loading(x).empty() &&
          (oldest == no_model || b.head_arrival_us(x) < b.head_arrival_us(oldest)))
        oldest = x;
    }
    if (urgent != no_model) return {lane_with(b, urgent), urgent};
    if (const auto own = own_work(b); own.first != no_lane) return own;
    return {oldest == no_model ? no_lane : b.idle().first(), oldest};
  }

  // The first idle lane that runs the model, else one whose device has it, else the first idle one.
  static lane_index lane_with(const board& b, model_index x) {
    lane_index has_set = no_lane;
    for (lane_index z = b.idle().first(); z != no_lane; z = b.idle().after(z)) {
      if (b.lane(z).active == x) return z;
      if (has_set == no_lane && b.is_ready(x, b.lane(z).device)) has_set = z;
    }
    return has_set == no_lane ? b.idle().first() : has_set;
  }

  std::pair<lane_index, model_index> own_work(const board& b) const {
    for (lane_index z = b.idle().first(); z != no_lane; z = b.idle().after(z)) {
      const residency& sets = b.device(b.lane(z).device).sets;
      const model_index active = b.lane(z).active;
      if (active != no_model && sets.holds(active) && !b.model(active).live.empty()) return {z, active};
      model_index oldest = no_model;
      for (model_index x = sets.oldest(); x != no_model; x = sets.next(x))
        if (!b.model(x).live.empty() && (oldest == no_model || b.head_arrival_us(x) < b.head_arrival_us(oldest)))
          oldest = x;
      if (oldest != no_model) return {z, oldest};
    }
    return {no_lane, no_model};
  }

  // False: nothing of the model's queue is left for this lane.
  static bool drop_doomed(board& b, lane_index z, model_index x) {
    if (b.chosen().doom) b.doom(x, b.now() + b.setup_us(z, x) + b.execution_us(x, b.lane(z).device, 1));
    return !b.model(x).live.empty();
  }

  std::vector<model_index> blocked_; // Cannot be loaded now.
};

} // namespace

std::unique_ptr<strategy> make_omls_clean(const options&) {
  return std::make_unique<omls_clean>();
}

} // namespace fastptm::policy::scheduling
