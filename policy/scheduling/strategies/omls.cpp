// omls as published (OMLS of the FastPTM paper), with its quirks.
// It looks every poll_us; the cache of next requests is refilled only when empty, with one request per model, in order
// of models, skipping those active on any lane; one urgent request per look, to the first idle lane even if another
// has its weights; meanwhile no lane serves its own list.
#include <algorithm>

#include "policy/scheduling/registry.hpp"

namespace fastptm::policy::scheduling {

namespace {

class omls final : public strategy {
  void withdraw(board& b, uint32_t slot) override { b.unplace(cache_, slot); }

  void decide(board& b) override {
    const duration_us poll_us = std::max<duration_us>(1, b.chosen().poll_us);
    if (cache_.empty() && b.live_models().empty()) return;
    if (b.now() % poll_us == 0 && b.now() != last_look_us_) {
      last_look_us_ = b.now();
      look(b);
    }
    b.wake_at((b.now() / poll_us + 1) * poll_us);
  }

  void look(board& b) {
    if (cache_.empty()) refill(b);
    if (b.idle().empty()) return;
    const uint32_t urgent = oldest_cached(b);
    if (urgent != no_request && b.now() - b.request(urgent).arrival_us > b.chosen().urgent_us) {
      serve_cached(b, b.idle().first(), urgent);
      return;
    }
    for (lane_index z = b.idle().first(); z != no_lane; z = b.idle().after(z)) {
      const model_index own = b.lane(z).active;
      if (own != no_model && !b.model(own).live.empty()) {
        b.start(z, own, queue_kind::live, 1);
      } else if (!cache_.empty()) {
        serve_cached(b, z, cache_.head);
      }
    }
  }

  void refill(board& b) {
    for (uint32_t i = 0; i < b.model_count(); ++i) {
      const model_index x{i};
      if (b.model(x).live.empty() || active_somewhere(b, x)) continue;
      const uint32_t slot = b.live_head(x);
      b.unqueue(slot);
      b.place(cache_, slot, 0);
    }
  }

  static bool active_somewhere(const board& b, model_index x) {
    for (uint32_t i = 0; i < b.lane_count(); ++i)
      if (b.lane(lane_index{i}).active == x) return true;
    return false;
  }

  uint32_t oldest_cached(const board& b) const {
    uint32_t oldest = cache_.head;
    for (uint32_t s = cache_.head; s != no_request; s = b.request(s).next)
      if (b.request(s).arrival_us < b.request(oldest).arrival_us) oldest = s;
    return oldest;
  }

  void serve_cached(board& b, lane_index z, uint32_t slot) {
    request_queue one;
    b.unplace(cache_, slot);
    b.place(one, slot, 0);
    if (b.start(z, b.request(slot).model, one, 1)) return;
    b.unplace(one, slot); // Cannot be loaded now: back to the end.
    b.place(cache_, slot, 0);
  }

  request_queue cache_;
  time_us last_look_us_ = -1;
};

} // namespace

std::unique_ptr<strategy> make_omls(const options& chosen) {
  return chosen.poll_us > 0 ? std::make_unique<omls>() : make_omls_clean(chosen);
}

} // namespace fastptm::policy::scheduling
