// DXV for few lanes and models: every live model is compared on every idle lane, each time.
#pragma once

#include <vector>

#include "policy/scheduling/placement.hpp"
#include "policy/scheduling/strategy.hpp"

namespace fastptm::policy::scheduling {

class dxv_close {
public:
  // Up to these sizes comparing all pairs is a matter of microseconds; beyond, see dxv_wide.
  static constexpr uint32_t most_lanes = 16, most_models = 256;

  void decide(board& b);
  judgement judge(const board& b, lane_index z, model_index x) const;

private:
  struct choice {
    lane_index lane = no_lane;
    model_index model;
    double value = 0;
    bool over(const choice& other, const board& b) const;
  };
  void doom(board& b);
  void stay(board& b, bool only_fair);
  void visit(board& b, bool only_fair);
  choice best_visit(board& b, bool only_fair);
  lane_index lane_for(board& b, model_index x);
  lane_index first_holder(const board& b, model_index x) const;
  placement best_place(const board& b, model_index x) const;
  bool holder_is_soon(const board& b, model_index x) const;
  bool lane_has_ready_work(const board& b, lane_index z, model_index but) const;
  objection objection_to_visit(const board& b, lane_index z, model_index x, duration_us setup_us) const;
  bool has_failed(lane_index z) const;
  bool must_leave(const board& b, lane_index z) const;
  void work_ahead(board& b);
  void serve_late(board& b);
  bool may_serve(const board& b, model_index x, bool only_fair) const;

  std::vector<lane_index> failed_;   // Lanes that could not load their choice in this decision.
  std::vector<model_index> to_doom_; // Scratch.
};

} // namespace fastptm::policy::scheduling
