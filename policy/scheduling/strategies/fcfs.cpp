// fcfs: requests go to the lanes in turn, in order of arrival, whatever the lanes have.
// With poll_us as published: the dispatcher hands out one request per sleep, and a lane sleeps before each request.
#include <algorithm>

#include "policy/scheduling/registry.hpp"

namespace fastptm::policy::scheduling {

namespace {

constexpr uint32_t dispatcher_place = no_index - 1;

class fcfs final : public strategy {
  void take(board& b, uint32_t slot) override { b.place(dispatcher_, slot, dispatcher_place); }

  void withdraw(board& b, uint32_t slot) override {
    const uint32_t place = b.request(slot).place;
    b.unplace(place == dispatcher_place ? dispatcher_ : lanes_[lane_index{place}], slot);
  }

  void device_gone(board& b, device_index d) override {
    for (uint32_t i = 0; i < b.device(d).lanes; ++i) {
      request_queue& queue = lanes_.grow_to(lane_index{b.device(d).first_lane.value + i});
      while (!queue.empty()) {
        const uint32_t slot = queue.head;
        b.unplace(queue, slot);
        take(b, slot);
      }
    }
  }

  void decide(board& b) override {
    if (b.lane_count() == 0) return;
    lanes_.grow_to(lane_index{b.lane_count() - 1});
    dispatch(b);
    for (lane_index z = b.idle().first(); z != no_lane; z = b.idle().after(z)) serve(b, z);
  }

  void dispatch(board& b) {
    while (!dispatcher_.empty()) {
      const uint32_t slot = dispatcher_.head;
      const time_us at_us = std::max(last_us_ + b.chosen().poll_us, b.request(slot).arrival_us);
      if (at_us > b.now()) return b.wake_at(at_us);
      const lane_index z = next_lane(b);
      if (z == no_lane) return;
      last_us_ = at_us;
      b.unplace(dispatcher_, slot);
      b.place(lanes_[z], slot, z.value);
    }
  }

  lane_index next_lane(const board& b) {
    for (uint32_t tried = 0; tried < b.lane_count(); ++tried) {
      const lane_index z{next_++ % b.lane_count()};
      const device_state& d = b.device(b.lane(z).device);
      if (d.joined && !d.cordoned && b.lane(z).number < d.lanes && d.first_lane.value + b.lane(z).number == z.value)
        return z;
    }
    return no_lane;
  }

  void serve(board& b, lane_index z) {
    if (lanes_[z].empty()) return;
    const time_us awake_us = b.lane(z).free_us + b.chosen().poll_us;
    if (awake_us > b.now()) return b.wake_at(awake_us);
    const model_index x = b.request(lanes_[z].head).model;
    b.start(z, x, lanes_[z], b.chosen().max_batch);
  }

  request_queue dispatcher_;
  table<lane_index, request_queue> lanes_;
  time_us last_us_ = 0;
  uint32_t next_ = 0;
};

} // namespace

std::unique_ptr<strategy> make_fcfs(const options&) {
  return std::make_unique<fcfs>();
}

} // namespace fastptm::policy::scheduling
