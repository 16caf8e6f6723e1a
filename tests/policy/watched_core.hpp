// A scheduling core under watch: what it is told and answers is checked against a picture of the cluster kept apart.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "policy/scheduling/board.hpp"
#include "policy/scheduling/core.hpp"
#include "tests/policy/placing_device.hpp"

namespace fastptm::policy::scheduling {

// The rules, each with its own words in `problems()`:
//   every request leaves exactly once · a lane runs one batch at a time · a batch has 1..max requests of its own model,
//   all held by the core · a set runs only where it is resident or being loaded · resident bytes never exceed the
//   memory · every load finds the places free that were planned for it, however late it begins · a set in use is never
//   evicted · no idle lane has a ready set with live requests (dxv) · commands for things that are there
class watched_core {
public:
  watched_core(const options& chosen, uint64_t seed_for_messages);

  rejection tell(const event& what, time_us now);

  // What is under way, for the driver to finish.
  struct load_under_way {
    device_index device;
    core::load_id id;
    model_index model;
    std::vector<placed_shard> places = {};
    bool has_begun = false;
  };
  struct batch_under_way {
    device_index device;
    core::batch_id id;
    model_index model;
    uint32_t lane = 0;
    core::load_id waits_for;
    std::vector<request_ref> requests;
  };
  const std::vector<load_under_way>& loads() const { return loads_; }
  const std::vector<batch_under_way>& batches() const { return batches_; }
  std::vector<load_under_way> startable_loads() const; // Among the first copy_engines of their device.
  bool can_finish(const batch_under_way& b) const;     // Its load is over.
  time_us timer_us() const { return timer_us_; }
  size_t held() const { return held_.size(); }
  bool holds_slot(uint32_t slot) const { return held_.contains(slot); }
  std::vector<uint32_t> held_slots() const;
  const scheduling_core& core() const { return *core_; }

  const std::vector<std::string>& problems() const { return problems_; }
  uint64_t transcript() const { return transcript_; } // A hash of all commands.
  uint64_t answered() const { return answered_; }

  // Planted faults: changes the commands before they are looked at.
  std::function<commands(const commands&)> corrupt;

private:
  struct device_picture {
    uint64_t arena_bytes = 0;
    uint32_t lanes = 0, engines = 0;
    bool cordoned = false;
    std::set<uint32_t> sets; // Resident or being loaded.
    placing_device memory;   // Only what has begun to be loaded.
  };
  struct model_picture {
    std::vector<shard_size> shards;
    bool known = false;
  };
  void after(const event& what, rejection r);
  void look_at(const commands& out);
  void look_at(const load& l);
  void look_at(const evict& e);
  void look_at(const run& r, const commands& out);
  void look_at(const refuse& f);
  void begin_loads();
  std::vector<placed_shard> places_of(device_index d, model_index x);
  void look_for_idle_lanes();
  void look_for_forgotten(time_us now);
  void come_back(const batch_under_way& b);
  void forget_device(uint32_t d);
  void leave(request_ref r);
  void problem(const std::string& what);
  uint64_t bytes_of(const std::set<uint32_t>& sets) const;
  void note(uint64_t value) { transcript_ = (transcript_ ^ value) * 1099511628211u; }

  options options_;
  uint64_t seed_;
  std::unique_ptr<scheduling_core> core_;
  commands out_;
  time_us timer_us_ = 0, now_us_ = 0;
  std::map<uint32_t, device_picture> devices_;
  std::map<uint32_t, model_picture> models_;
  struct held_request {
    uint32_t generation = 0, model = 0;
    time_us deadline_us = 0;
  };
  std::map<uint32_t, held_request> held_; // By slot.
  std::set<uint32_t> running_;            // Slots.
  std::vector<load_under_way> loads_;     // In the order commanded.
  std::vector<batch_under_way> batches_;
  std::vector<std::string> problems_;
  uint64_t transcript_ = 14695981039346656037u, answered_ = 0;
};

} // namespace fastptm::policy::scheduling
