// What things take: execution per class and device, loads per kind of source. Priors first, then what was measured.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/clock.hpp"
#include "policy/indices.hpp"
#include "policy/sourcing.hpp"

namespace fastptm::policy {

// exec(b) = base + b * each.
struct execution_cost {
  core::duration_us base_us = 0;
  core::duration_us each_us = 1000;
};

// What a request is assumed to cost until one was measured: 64 tokens at 50 GFLOP/s, by the operations that one token
// takes. A prior only ranks; see cost_model.
execution_cost assumed_execution(uint64_t operations_per_token);

struct load_prior {
  core::duration_us base_us = 0;                             // Part of a load that does not depend on its size.
  std::array<uint64_t, expected_source_count> bytes_per_s{}; // By kind of source; 0: takes no time.
};

// Estimates only rank choices and place timers: a wrong one costs time and nothing else. Measurements far from the
// estimate move it by a bounded factor, so that one outlier (a page fault storm, a clock step) changes little and a
// lasting change is learned within tens of measurements.
//
// Devices of a kind share what is learned: where a class never ran, a device is taken to be as fast as the fastest of
// its kind that ran it, so that nobody is preferred for having been measured. The height of a prior yields to the first
// measurement of its kind, its shape (base to each) stays until batches of different size tell. So does that of a link.
// One thread at a time.
class cost_model {
public:
  explicit cost_model(const load_prior& links) : links_(links) {}

  // The first prior of a class stands; models of one class are taken as equally fast.
  void set_class(uint32_t cost_class, const execution_cost& prior);
  // A device's past is forgotten: it may be another machine under the same index. `kind`: equal hardware, dense.
  void set_device(device_index device, uint32_t kind);

  // Requires: class and device were set.
  core::duration_us execution_us(uint32_t cost_class, device_index device, uint32_t batch) const {
    const device_entry& d = devices_[device];
    const fit_state& own = d.classes[cost_class];
    return (own.measured ? own.fitted : kinds_[d.kind].classes[cost_class].fitted).at(batch);
  }
  core::duration_us load_us(source_kind source, uint64_t bytes) const {
    const uint64_t rate = links_.bytes_per_s[static_cast<size_t>(source)];
    return links_.base_us +
           (rate == 0 ? 0
                      : static_cast<core::duration_us>(1e6 * static_cast<double>(bytes) / static_cast<double>(rate)));
  }

  void measured_execution(uint32_t cost_class, device_index device, uint32_t batch, core::duration_us took_us);
  void measured_load(source_kind source, uint64_t bytes, core::duration_us took_us);

private:
  struct line {
    float base_us = 0, each_us = 0;
    core::duration_us at(uint32_t batch) const {
      return static_cast<core::duration_us>(base_us + each_us * static_cast<float>(batch));
    }
  };
  // Least squares over (batch, time) whose past fades; what it starts from counts as two measurements, at 1 and at 8.
  struct fit_state {
    line fitted;
    bool measured = false;
    double weight = 0, batch = 0, batch_batch = 0, time = 0, batch_time = 0;
    void start(const line& from);
    void add(double b, double t, double w);
    void solve();
  };
  struct device_entry {
    uint32_t kind = 0;
    std::vector<fit_state> classes;
  };
  struct kind_class {
    line fitted;                      // The prior, then that of the fastest device that ran the class.
    device_index fastest = no_device; // No device: none ran it.
  };
  struct kind_entry {
    std::vector<kind_class> classes;
    std::vector<device_index> devices;
  };
  static line line_of(const execution_cost& prior);
  void choose_fastest(uint32_t kind, uint32_t cost_class, device_index changed);

  load_prior links_;
  std::array<bool, expected_source_count> link_measured_{};
  std::vector<execution_cost> priors_;
  std::vector<kind_entry> kinds_;
  table<device_index, device_entry> devices_;
};

} // namespace fastptm::policy
