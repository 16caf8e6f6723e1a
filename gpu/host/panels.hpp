// The layout of activations on the host: panels of 16 rows, so that a vector holds one feature of many rows.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fastptm::gpu::host {

// panel p, feature f, lane l holds row 16p + l: address (p * features + f) * 16 + l.
// A weight is then read in place, element by element, and broadcast: nothing is packed or transposed on the way, a
// row's sum never depends on its neighbours, and what one product writes is what the next one reads. 16 floats are one
// cache line and one AVX-512 register, two of AVX2. Lanes behind the last row hold numbers that nobody reads.
inline constexpr uint32_t panel_rows = 16;

constexpr uint32_t panel_count(uint32_t rows) {
  return (rows + panel_rows - 1) / panel_rows;
}

constexpr size_t panel_floats(uint32_t features) {
  return static_cast<size_t>(features) * panel_rows;
}

// Index of one element.
constexpr size_t panel_index(uint32_t row, uint32_t feature, uint32_t features) {
  return (row / panel_rows) * panel_floats(features) + static_cast<size_t>(feature) * panel_rows + row % panel_rows;
}

} // namespace fastptm::gpu::host
