// How often each model is asked for, as a share of all requests that forgets.
#pragma once

#include <algorithm>
#include <cstdint>

#include "policy/indices.hpp"

namespace fastptm::policy {

// Time is counted in requests: at one request an hour the same models are the popular ones as at a thousand a second,
// and a night in which nobody asks makes nobody unpopular. Weights grow instead of fading, so that a request costs one
// addition. One thread at a time.
class demand {
public:
  // How many of the latest requests count, by and large, for every set that the devices hold. Chosen on one memory for
  // half of 48 models: beside a rule that knows the true rates, 16 moved 6 % more bytes where those are steady and 64
  // moved 2 % more, but 64 up to 13 % more where they come in bursts. Greedy-Dual with frequencies: 14 to 20 % more
  // where they are steady. What 32 gives in a cluster: `policy-targets light`.
  static constexpr double requests_per_set = 32.0;

  void reserve(model_index last) { weights_.grow_to(last); }
  void forget(model_index model) { weights_[model] = 0; }

  // Requires: the model was reserved. `sets`: held by all devices now.
  void requested(model_index model, uint32_t sets) {
    remembered_ = requests_per_set * std::max(1.0, static_cast<double>(sets));
    step_ *= 1.0 + 1.0 / remembered_;
    weights_[model] += step_;
    if (step_ > largest_step) rescale();
  }

  // The part of the coming requests that the model is expected to get: 0 to about 1.
  double share(model_index model) const { return weights_[model] / (step_ * remembered_); }

private:
  static constexpr double largest_step = 1e200;
  void rescale() {
    for (double& w : weights_) w /= step_;
    step_ = 1.0;
  }

  table<model_index, double> weights_;
  double step_ = 1.0;
  double remembered_ = requests_per_set;
};

} // namespace fastptm::policy
