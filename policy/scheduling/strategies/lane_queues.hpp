// Common ground of the strategies that bind a request to a lane when it comes: a queue per lane, grouped by model.
#pragma once

#include <vector>

#include "policy/scheduling/strategy.hpp"

namespace fastptm::policy::scheduling {

// A subclass says which lane. The lane then serves its models in the order of their oldest requests, whole batches at a
// time, first those whose sets are there; sets are loaded as soon as a request for them is bound.
class lane_queues : public strategy {
public:
  void take(board& b, uint32_t slot) override;
  void withdraw(board& b, uint32_t slot) override;
  void lane_idle(board& b, lane_index z) override;
  void set_ready(board& b, device_index d, model_index x) override;
  void device_came(board& b, device_index d) override;
  void device_gone(board& b, device_index d) override;
  void decide(board& b) override;

protected:
  // no_lane: there is none.
  virtual lane_index choose(board& b, uint32_t slot) = 0;
  // When the lane will be through with what it has.
  time_us ready_us(const board& b, lane_index z) const;
  // Of all lanes that may be used.
  lane_index least_loaded(const board& b) const;
  static bool usable(const board& b, lane_index z);

private:
  struct group {
    model_index model;
    request_queue queue;
  };
  struct lane_work {
    std::vector<group> groups; // In order of their oldest requests.
    duration_us queued_us = 0;
    bool to_serve = false;
  };
  void bind(board& b, uint32_t slot, lane_index z);
  bool serve(board& b, lane_index z);
  void serve_late(board& b, lane_index z);
  void drop_doomed(board& b, lane_index z);
  void wants_service(const board& b, lane_index z);

  table<lane_index, lane_work> lanes_;
  std::vector<lane_index> to_serve_; // Idle lanes to look at in this decision.

  request_queue homeless_; // Came while there was no lane.
};

} // namespace fastptm::policy::scheduling
