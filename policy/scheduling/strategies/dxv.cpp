// dxv: deadline-aware exhaustive visits, the default. Close up it compares everything, at a distance it keeps lists.
#include "policy/scheduling/registry.hpp"
#include "policy/scheduling/strategies/dxv_close.hpp"
#include "policy/scheduling/strategies/dxv_wide.hpp"

namespace fastptm::policy::scheduling {

namespace {

class dxv final : public strategy {
  void take(board& b, uint32_t slot) override {
    b.queue_live(slot);
    if (at_distance_) wide_.request_queued(b, b.request(slot).model);
  }
  void lane_idle(board&, lane_index z) override {
    if (at_distance_) wide_.lane_idle(z);
  }
  void set_ready(board& b, device_index d, model_index x) override {
    if (at_distance_) wide_.set_ready(b, d, x);
  }
  void device_came(board& b, device_index d) override {
    if (at_distance_) wide_.device_came(b, d);
  }
  void device_gone(board&, device_index d) override {
    if (at_distance_) wide_.device_gone(d);
  }

  judgement judge(const board& b, lane_index z, model_index x) const override {
    return at_distance_ ? wide_.judge(b, z, x) : close_.judge(b, z, x);
  }

  void decide(board& b) override {
    if (!at_distance_ && (b.lane_count() > dxv_close::most_lanes || b.model_count() > dxv_close::most_models)) {
      at_distance_ = true; // For good: clusters grow.
      wide_.begin(b);
    }
    if (at_distance_) return wide_.decide(b);
    close_.decide(b);
  }

  dxv_close close_;
  dxv_wide wide_;
  bool at_distance_ = false;
};

} // namespace

std::unique_ptr<strategy> make_dxv(const options&) {
  return std::make_unique<dxv>();
}

} // namespace fastptm::policy::scheduling
