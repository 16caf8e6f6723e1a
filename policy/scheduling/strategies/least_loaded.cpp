// least_loaded: each request goes to the lane with the least work; for comparison at cluster scale.
#include "policy/scheduling/registry.hpp"
#include "policy/scheduling/strategies/lane_queues.hpp"

namespace fastptm::policy::scheduling {

namespace {

class least_loaded_first final : public lane_queues {
  lane_index choose(board& b, uint32_t) override { return least_loaded(b); }
};

} // namespace

std::unique_ptr<strategy> make_least_loaded(const options&) {
  return std::make_unique<least_loaded_first>();
}

} // namespace fastptm::policy::scheduling
