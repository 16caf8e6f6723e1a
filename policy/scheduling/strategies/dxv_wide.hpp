// DXV for many lanes and models: no decision looks at all of them.
// A model with live work is posted at a few of its holders; a lane that becomes idle compares what is posted at its
// device; loads, rescues and dooms come by timers.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/random.hpp"
#include "policy/scheduling/placement.hpp"
#include "policy/scheduling/strategy.hpp"
#include "policy/scheduling/timer_wheel.hpp"

namespace fastptm::policy::scheduling {

class dxv_wide {
public:
  // Takes over with what is queued now.
  void begin(board& b);
  void request_queued(board& b, model_index x);
  void lane_idle(lane_index z) { freed_.push_back(z); }
  void set_ready(board& b, device_index d, model_index x);
  void device_came(board& b, device_index d);
  void device_gone(device_index d);
  void decide(board& b);
  judgement judge(const board& b, lane_index z, model_index x) const;

private:
  static constexpr uint32_t most_posts = 4;   // Holders that learn of a model's live work.
  static constexpr uint32_t most_posted = 64; // Models posted at one device.

  struct model_work {
    uint32_t epoch = 0;  // Of its live work: posts of earlier ones are void.
    uint32_t cursor = 0; // Where the next look through the holders begins.
    uint32_t grows_at = 1;
    uint8_t posts = 0;
    bool changed = false;
    bool wide = false; // In wide_: more holders than posts.
    std::array<device_index, most_posts> posted_at;
  };
  struct post {
    model_index model;
    uint32_t epoch = 0;
  };
  struct device_work {
    std::vector<post> posts;
    uint32_t host = 0;
    // Share of their time that requests have left when they start here, smoothed:
    // 1 nothing waits, 0 all is nearly lost.
    double ease = 1.0;
  };
  struct pick {
    model_index model = no_model;
    double value = 0;
  };

  // What has changed: models with new work, lanes without.
  void serve_model(board& b, model_index x);
  void serve_lane(board& b, lane_index z);
  bool run_on_idle_holder(board& b, model_index x);
  bool run_batch(board& b, lane_index z, model_index x);
  void give_up_heads(board& b, device_index d, model_index x);
  pick best_posted(board& b, lane_index z);
  pick best_wide(board& b, lane_index z);
  void serve_late(board& b);

  void post_work(board& b, model_index x);
  void post_at(board& b, device_index d, model_index x);
  void look_everywhere_for(model_index x);
  bool valid(const board& b, const post& p) const;

  // Loads.
  void need_load(board& b, model_index x);
  void consider_replica(board& b, model_index x);
  void note_ease(device_index d, double ease);
  bool add_holder(board& b, model_index x, load_reason reason);
  device_index sample_target(board& b, model_index x, load_reason reason);
  duration_us lane_wait_us(const board& b, device_index d, model_index x) const;
  void run_while_loading(board& b, device_index d, model_index x);

  // Timers.
  void arm(board& b, model_index x);
  void note_changed(model_index x); // Looked at when all events of this instant are in.
  void fire(board& b, model_index x);
  duration_us typical_load_us(const board& b, model_index x) const;
  duration_us typical_run_us(const board& b, model_index x, uint32_t batch) const;

  core::prng random_{1}; // Only for sampling targets: the same events give the same commands.
  table<model_index, model_work> models_;
  table<device_index, device_work> devices_;
  std::vector<std::vector<device_index>> hosts_;
  std::vector<device_index> all_devices_;
  std::vector<uint32_t> position_; // In all_devices_, by device.
  std::vector<model_index> changed_;
  std::vector<lane_index> freed_;
  std::vector<model_index> wide_;
  timer_wheel timers_;
};

} // namespace fastptm::policy::scheduling
