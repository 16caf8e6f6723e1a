// omls_clean: the idea of OMLS without its quirks: event driven, no cache.
// An urgent request goes to a lane that has its model; else a lane goes on with what its device holds; else it takes
// the oldest model that nobody holds.
#include <algorithm>

#include "policy/scheduling/registry.hpp"

namespace fastptm::policy::scheduling {

namespace {

class omls_clean final : public strategy {
  void device_came(board& b, device_index) override { count_active(b); }
  void device_gone(board& b, device_index) override { count_active(b); }

  void decide(board& b) override {
    blocked_.clear();
    active_on_.grow_to(model_index{b.model_count()});
    while (!b.idle().empty() && !b.live_models().empty()) {
      const auto [z, x] = next(b);
      if (z == no_lane) break;
      if (b.chosen().doom) b.doom(x, b.now() + b.setup_us(z, x) + b.execution_us(x, b.lane(z).device, 1));
      if (!b.model(x).live.empty()) serve(b, z, x, queue_kind::live);
    }
    if (b.idle().empty()) return;
    for (const model_index x : b.live_models())
      if (const time_us at_us = urgent_at_us(b, x); at_us > b.now()) b.wake_at(at_us);
    if (b.live_models().empty() && !b.late_models().empty())
      serve(b, b.idle().first(), b.late_models().front(), queue_kind::late);
  }

  void serve(board& b, lane_index z, model_index x, queue_kind from) {
    const model_index before = b.lane(z).active;
    if (!b.start(z, x, from, b.chosen().max_batch)) return blocked_.push_back(x);
    if (before != no_model) --active_on_[before];
    ++active_on_[x];
  }

  void count_active(const board& b) {
    for (uint32_t& n : active_on_) n = 0;
    for (uint32_t i = 0; i < b.lane_count(); ++i)
      if (const model_index x = b.lane(lane_index{i}).active; x != no_model) ++active_on_.grow_to(x);
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
      if (active_on_[x] == 0 && (oldest == no_model || b.head_arrival_us(x) < b.head_arrival_us(oldest))) oldest = x;
    }
    if (urgent != no_model) return {lane_with(b, urgent), urgent};
    for (lane_index z = b.idle().first(); z != no_lane; z = b.idle().after(z))
      if (const model_index own = b.lane(z).active; own != no_model && !b.model(own).live.empty() && !blocked(own))
        return {z, own};
    return {oldest == no_model ? no_lane : b.idle().first(), oldest};
  }

  bool blocked(model_index x) const { return std::find(blocked_.begin(), blocked_.end(), x) != blocked_.end(); }

  static lane_index lane_with(const board& b, model_index x) {
    for (lane_index z = b.idle().first(); z != no_lane; z = b.idle().after(z))
      if (b.lane(z).active == x) return z;
    return b.idle().first();
  }

  table<model_index, uint32_t> active_on_; // Lanes that ran the model last.
  std::vector<model_index> blocked_;       // Cannot be loaded now.
};

} // namespace

std::unique_ptr<strategy> make_omls_clean(const options&) {
  return std::make_unique<omls_clean>();
}

} // namespace fastptm::policy::scheduling
