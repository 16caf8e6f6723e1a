// The suite that every backend passes: device, executor, and each operator against double precision.
#pragma once

#include <future>
#include <memory>
#include <span>
#include <vector>

#include <gtest/gtest.h>

#include "core/random.hpp"
#include "gpu/kernels.hpp"
#include "tests/gpu/conformance/backend.hpp"

namespace fastptm::gpu::conformance {

// Row-major, for comparison.
struct matrix {
  uint32_t rows = 0, columns = 0;
  std::vector<float> values;

  float at(uint32_t row, uint32_t column) const { return values[static_cast<size_t>(row) * columns + column]; }
};

class device_conformance : public testing::TestWithParam<backend> {
protected:
  static constexpr uint64_t arena_bytes = 64u << 20;

  void SetUp() override;
  void TearDown() override;

  matrix random_matrix(uint32_t rows, uint32_t columns, double from = -1, double to = 1);
  // On the device, until the test ends.
  const float* upload(const std::vector<float>& values);
  activations uploaded(const matrix& m);
  activations empty(uint32_t rows, uint32_t features);
  matrix download(activations from);
  // Runs on the executor and waits.
  void on_device(const std::function<void(kernels&)>& work);

  std::unique_ptr<device> device_;
  core::prng random_{0};
  std::vector<lease> leases_;
  std::vector<std::unique_ptr<buffer>> buffers_;
};

// ||a - b|| / ||b||
double relative_error(std::span<const float> a, std::span<const double> b);

} // namespace fastptm::gpu::conformance
