// How to add a strategy: one class in one file of strategies/, and its name in registry.cpp.
#pragma once

#include <optional>

#include "policy/scheduling/board.hpp"

namespace fastptm::policy::scheduling {

// What a strategy thinks of serving a model on a lane.
struct judgement {
  std::optional<double> value; // Of the visit: requests per microsecond, discounted. None: the strategy has no such.
  objection against;
};

// Called by the core after the board has been brought up to date. `decide` is enough for a strategy that looks at all
// queues each time; the facts before it let one keep its own order. All of them act through the board only.
class strategy {
public:
  virtual ~strategy() = default;

  // A request has come in or has come back. The default puts it into its model's live queue; a strategy that binds
  // requests to lanes puts it into a queue of its own (board::place).
  virtual void take(board& b, uint32_t slot) { b.queue_live(slot); }

  virtual void lane_idle(board&, lane_index) {}
  virtual void set_ready(board&, device_index, model_index) {}
  // The device is gone: whatever was placed on its lanes must be taken elsewhere.
  virtual void device_gone(board&, device_index) {}
  virtual void device_came(board&, device_index) {}
  // Takes a request out of a queue made with board::place, which is `place` of its entry.
  virtual void withdraw(board&, uint32_t slot) { (void)slot; }

  // How decide() would judge the model's live requests for that lane if it were idle now: for people who ask.
  // Requires: the model has live requests.
  virtual judgement judge(const board&, lane_index, model_index) const { return {}; }

  // All events of this instant are in: command what is to be done.
  virtual void decide(board& b) = 0;
};

} // namespace fastptm::policy::scheduling
