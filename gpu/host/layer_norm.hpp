// Layer normalisation of panels: 16 rows at once, one feature after the other.
#pragma once

#include "gpu/host/accumulate.hpp"
#include "gpu/host/kernel_table.hpp"

namespace fastptm::gpu::host {

template <class Vector> class norm {
  using native = typename Vector::native;
  static constexpr unsigned chains = 4; // additions wait for each other: four sums hide it

public:
  static void run(const norm_panels& panels) {
    for (uint32_t panel = panels.first_panel; panel < panels.last_panel; ++panel) {
      float* const at = panels.inout + panel * panel_floats(panels.features);
      for (uint32_t lane = 0; lane < panel_rows; lane += Vector::width)
        lanes(at + lane, panels.features, panels.weights);
    }
  }

private:
  static void lanes(float* at, uint32_t features, const norm_weights& weights) {
    const native count = Vector::broadcast(static_cast<float>(features));
    const native mean = sum_of(at, features, [](native x, native sum) { return sum + x; }) / count;
    const native variance =
        sum_of(at, features, [mean](native x, native sum) { return Vector::multiply_add(x - mean, x - mean, sum); }) /
        count;
    const native inverse = Vector::broadcast(1.0f) / Vector::square_root(variance + Vector::broadcast(weights.epsilon));
    for (uint32_t f = 0; f < features; ++f) {
      const native x = (Vector::load(at + size_t{f} * panel_rows) - mean) * inverse;
      Vector::store(at + size_t{f} * panel_rows,
                    Vector::multiply_add(x, Vector::broadcast(weights.scale[f]), Vector::broadcast(weights.shift[f])));
    }
  }

  template <class Add> static native sum_of(const float* at, uint32_t features, const Add& add) {
    native sum[chains];
    for (native& s : sum) s = Vector::broadcast(0.0f);
    uint32_t f = 0;
    for (; f + chains <= features; f += chains) {
#pragma GCC unroll 4
      for (unsigned i = 0; i < chains; ++i) sum[i] = add(Vector::load(at + size_t{f + i} * panel_rows), sum[i]);
    }
    for (; f < features; ++f) sum[0] = add(Vector::load(at + size_t{f} * panel_rows), sum[0]);
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
  }
};

} // namespace fastptm::gpu::host
