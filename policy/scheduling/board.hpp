// What the core believes about the cluster, and the few actions by which a strategy changes it.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "policy/cost_model.hpp"
#include "policy/demand.hpp"
#include "policy/fairness.hpp"
#include "policy/indices.hpp"
#include "policy/residency.hpp"
#include "policy/scheduling/core.hpp"
#include "policy/scheduling/events.hpp"
#include "policy/scheduling/free_room.hpp"
#include "policy/scheduling/index_lists.hpp"
#include "policy/scheduling/lane_set.hpp"
#include "policy/scheduling/objection.hpp"
#include "policy/scheduling/options.hpp"
#include "policy/scheduling/request_table.hpp"

namespace fastptm::policy::scheduling {

struct model_state {
  request_queue live;                // Can still be on time.
  uint32_t live_position = no_index; // In live_models(); no_index: no live work.
  uint32_t cost_class = 0;
  index_list holders; // Devices where the set is ready.
  index_list loading; // Devices where it is on its way.
  uint64_t bytes = 0;
  tenant_index tenant;
  uint32_t home_host = 0;
  request_queue late;
  uint32_t late_position = no_index; // In late_models().
  bool known = false;
  uint8_t failures = 0;    // Loads that failed in a row, for the back-off.
  time_us retry_at_us = 0; // No load before.
  std::vector<shard_size> shards;
};

struct planned_load {
  core::load_id id;
  model_index model;
  time_us ready_us = 0;     // Estimated.
  duration_us takes_us = 0; // Estimated, without the wait for an engine.
  source_kind source = source_kind::peer_host;
  load_reason reason = load_reason::request;
};

struct device_state {
  bool joined = false;
  bool cordoned = false;
  uint32_t host = 0;
  lane_index first_lane = no_lane;
  uint32_t lanes = 0, lanes_reserved = 0;
  residency sets;
  std::vector<time_us> engine_free_us;                 // Per copy engine, estimated.
  std::vector<planned_load> loads;                     // Under way or waiting for an engine, in the order commanded.
  std::vector<std::pair<model_index, time_us>> barred; // Did not fit: not tried again before.
};

struct lane_state {
  device_index device;
  uint32_t number = 0;           // Within the device.
  model_index active = no_model; // Ran last.
  core::batch_id batch;          // 0: idle.
  core::load_id waits_for;       // The batch's load, while it is under way.
  uint32_t head = no_request;    // Requests of the batch, linked by `next`.
  uint32_t count = 0;
  time_us free_us = 0;         // Estimated end of the batch; idle: since when.
  time_us visit_since_us = 0;  // Since when the active model is.
  duration_us expected_us = 0; // Execution of the batch, estimated.
};

enum class queue_kind : uint8_t { live, late };

// What making room for a set on a device takes.
struct room {
  objection against;      // Why it cannot be made.
  bool displaces = false; // Sets have to go,
  bool wanted = false;    // some of which have requests waiting.
  double price_us = 0;    // What giving them up is expected to cost: bringing each back, times how soon.
};

class board {
public:
  explicit board(const options& chosen);

  // -- the situation --------------------------------------------------------------------------------------------------
  time_us now() const { return now_us_; }
  const options& chosen() const { return options_; }
  const core_counters& counters() const { return counters_; }
  const model_state& model(model_index x) const { return models_[x]; }
  bool knows(model_index x) const { return models_.has(x) && models_[x].known; }
  const device_state& device(device_index d) const { return devices_[d]; }
  const lane_state& lane(lane_index z) const { return lanes_[z]; }
  const request_entry& request(uint32_t slot) const { return requests_[slot]; }
  const request_table& requests() const { return requests_; }
  const cost_model& costs() const { return costs_; }
  const fairness& shares() const { return shares_; }
  uint32_t model_count() const { return models_.size(); }
  uint32_t device_count() const { return devices_.size(); }
  uint32_t lane_count() const { return lanes_.size(); }
  // In a reproducible order; any change of the queues may reorder them.
  std::span<const model_index> live_models() const { return live_models_; }
  std::span<const model_index> late_models() const { return late_models_; }
  const lane_set& idle() const { return idle_; } // Lanes that may get work now.
  std::span<const device_index> holders(model_index x) const { return lists_.of(models_[x].holders); }
  std::span<const device_index> loading(model_index x) const { return lists_.of(models_[x].loading); }
  // Require: the queue is not empty.
  uint32_t live_head(model_index x) const { return requests_.front(models_[x].live); }
  time_us head_deadline_us(model_index x) const { return requests_[live_head(x)].deadline_us; }
  time_us head_arrival_us(model_index x) const { return requests_[live_head(x)].arrival_us; }

  // -- estimates ------------------------------------------------------------------------------------------------------
  duration_us execution_us(model_index x, device_index d, uint32_t batch) const {
    return costs_.execution_us(models_[x].cost_class, d, batch);
  }
  duration_us load_us(model_index x, device_index d) const; // With a copy engine at hand.
  duration_us engine_wait_us(device_index d) const;         // Until a copy engine of the device is free.
  // Until the lane, once idle, could begin to execute the model: activation, the rest of a load, or a whole one.
  duration_us setup_us(lane_index z, model_index x) const;
  source_kind source(model_index x, device_index d) const;
  bool is_ready(model_index x, device_index d) const;
  const planned_load* load_under_way(model_index x, device_index d) const; // Null: none.
  // Could the set be loaded there now, giving up sets that are not in use? And at what price.
  bool can_load(model_index x, device_index d) const { return room_for(x, d).against.why == objection_kind::none; }
  room room_for(model_index x, device_index d) const;
  device_index roomiest() const { return free_room_.most(); } // Most free bytes; no_device: nobody has any.
  // The sets that would go, in that order, where room can be made. For people: it allocates.
  std::vector<model_index> would_go(model_index x, device_index d) const;
  // Giving up the set there, which frees so many bytes: what bringing it back takes, times how soon that is expected.
  set_cost worth(model_index x, device_index d, uint64_t bytes) const;
  bool holds(request_ref r) const; // Is the slot the core's, and for this request?
  bool tenant_ahead(model_index x) const { return shares_.ahead(models_[x].tenant); }

  // -- actions --------------------------------------------------------------------------------------------------------
  void queue_live(uint32_t slot);
  void unqueue(uint32_t slot);    // Out of the live or late queue: the strategy puts it elsewhere.
  void queue_late(uint32_t slot); // Or refuses it, if that is the tenant's rule.
  // Into and out of a queue of the strategy, in order of arrival; `place` comes back with strategy::withdraw.
  void place(request_queue& queue, uint32_t slot, uint32_t place);
  void unplace(request_queue& queue, uint32_t slot);
  // Moves the heads of the live queue whose deadline is before `earliest_end_us` to the late ones.
  void doom(model_index x, time_us earliest_end_us);
  void doom_head(model_index x);
  // So many of `most` requests that they end within options::max_batch_us; at least one.
  uint32_t batch_of(model_index x, device_index d, uint32_t most) const;
  // Runs up to `most` requests, or batch_of, on the idle lane, loading the set if need be. False: it cannot be loaded there now.
  bool start(lane_index z, model_index x, queue_kind from, uint32_t most);
  // The same from a queue of the strategy: the first ones that are for this model, as long as no other comes between.
  bool start(lane_index z, model_index x, request_queue& from, uint32_t most);
  bool load_set(device_index d, model_index x, load_reason reason);
  void refuse_request(uint32_t slot, refusal reason, duration_us retry_after_us = 0);
  // Asks for a decision at that time at the latest. Asked anew in every decide().
  void wake_at(time_us at_us) { wake_us_ = at_us < wake_us_ ? at_us : wake_us_; }

private:
  friend class scheduling_core;

  // -- events (board_events.cpp): all or nothing ----------------------------------------------------------------------
  rejection apply(const tenant_added& e);
  rejection apply(const model_added& e);
  rejection apply(const model_removed& e);
  rejection apply(const device_joined& e);
  rejection apply(const device_lost& e);
  rejection apply(const device_cordoned& e);
  rejection apply(const arrival& e);
  rejection apply(const cancelled& e);
  rejection apply(const batch_done& e);
  rejection apply(const batch_failed& e);
  rejection apply(const load_done& e);
  rejection apply(const load_failed& e);
  rejection apply(const set_evicted& e);
  rejection apply(const timer&) { return rejection::none; }

  void begin(time_us now, commands& out);
  void sweep();
  void finish_decision();
  bool knows(device_index d) const { return devices_.has(d) && devices_[d].joined; }
  lane_index lane_running(device_index d, core::batch_id batch) const;
  void reserve_for_models();
  void reserve_lanes(device_state& d, device_index at, uint32_t lanes);
  bool take_resident(device_index d, const resident_set& set);
  void free_lane(lane_index z);
  void end_batch(lane_index z);
  uint32_t take_back(lane_index z);
  void give_back_all(uint32_t first);
  void withdraw(uint32_t slot);
  void give_back(uint32_t slot);
  void drop_set(device_index d, model_index x);
  void drop_oldest(device_index d);
  void drop_if_retired(device_index d, model_index x);

  // -- actions --------------------------------------------------------------------------------------------------------
  void add_live(model_index x);
  void drop_live(model_index x);
  void add_late(model_index x);
  void drop_late(model_index x);
  const planned_load* plan_load(device_index d, model_index x, load_reason reason);
  bool prepare(lane_index z, model_index x);
  void commit(lane_index z, model_index x);
  objection objection_to_load(model_index x, device_index d) const; // Whatever room there is.
  void add_set(device_index d, model_index x);
  void note_free_room(device_index d);
  time_us barred_until_us(const device_state& d, model_index x) const; // 0: it is not.
  fit plan(model_index x, device_index d, std::vector<model_index>& victims) const;

  options options_;
  strategy* strategy_ = nullptr; // Hears of facts; set by scheduling_core.
  commands* out_ = nullptr;      // Of the current `on`.
  time_us now_us_ = 0;
  time_us wake_us_ = 0;  // Asked for in this decision.
  time_us timer_us_ = 0; // Commanded last and not over; 0: none.
  time_us retry_us_ = 0; // The last of the times at which a failed load may be tried again.
  time_us sweep_us_ = 0; // Next look for requests beyond patience.
  uint32_t sweep_at_ = 0;
  uint64_t next_batch_ = 1, next_load_ = 1;
  uint32_t joined_ = 0;
  uint64_t largest_arena_bytes_ = 0; // Of the devices that are there.
  uint32_t sets_held_ = 0;           // By all of them, on their way included.
  core_counters counters_;

  table<model_index, model_state> models_;
  table<device_index, device_state> devices_;
  table<lane_index, lane_state> lanes_;
  request_table requests_;
  index_lists lists_;
  std::vector<model_index> live_models_, late_models_;
  lane_set idle_;
  cost_model costs_;
  demand demand_;
  free_room free_room_;
  fairness shares_;
  table<tenant_index, late_rule> late_rules_;
  mutable std::vector<model_index> victims_; // Scratch of plan().
  std::vector<uint32_t> returned_;           // Scratch of a failed load: first requests of its batches.
};

} // namespace fastptm::policy::scheduling
