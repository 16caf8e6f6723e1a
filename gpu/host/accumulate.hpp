// The inner loop of every product: sums of broadcast elements times vectors of rows, kept in registers.
#pragma once

#include <cstddef>

#include "gpu/host/panels.hpp"

namespace fastptm::gpu::host {

template <class Vector> inline constexpr unsigned vectors_per_panel = panel_rows / Vector::width;

// Rows x Panels sums: Rows of what is broadcast, Panels of 16 lanes each. Sums are always taken one by one in the order
// of depth, whatever the tile: this is what makes a row's result independent of the batch.
template <class Vector, unsigned Rows, unsigned Panels> struct tile_sums {
  static constexpr unsigned vectors = Panels * vectors_per_panel<Vector>;
  typename Vector::native sum[Rows][vectors];
};

// Where a tile's operands lie: element (row, depth) of the broadcast one, vector (panel, depth) of the other.
template <size_t BroadcastDepthStride, size_t VectorDepthStride> struct tile_operands {
  const float* broadcast;
  size_t broadcast_row_stride;
  const float* vectors;
  size_t vector_panel_stride;
};

template <class Vector, unsigned Rows, unsigned Panels, size_t BroadcastDepthStride, size_t VectorDepthStride>
[[gnu::always_inline]] inline void accumulate(tile_sums<Vector, Rows, Panels>& into,
                                              const tile_operands<BroadcastDepthStride, VectorDepthStride>& from,
                                              size_t first_depth, size_t last_depth) {
  constexpr unsigned per_panel = vectors_per_panel<Vector>;
  for (size_t depth = first_depth; depth < last_depth; ++depth) {
    typename Vector::native lanes[tile_sums<Vector, Rows, Panels>::vectors];
#pragma GCC unroll 8
    for (unsigned v = 0; v < Panels * per_panel; ++v) {
      lanes[v] = Vector::load(from.vectors + (v / per_panel) * from.vector_panel_stride + depth * VectorDepthStride +
                              (v % per_panel) * Vector::width);
    }
#pragma GCC unroll 16
    for (unsigned row = 0; row < Rows; ++row) {
      const auto element =
          Vector::broadcast(from.broadcast[row * from.broadcast_row_stride + depth * BroadcastDepthStride]);
#pragma GCC unroll 8
      for (unsigned v = 0; v < Panels * per_panel; ++v) {
        into.sum[row][v] = Vector::multiply_add(element, lanes[v], into.sum[row][v]);
      }
    }
  }
}

} // namespace fastptm::gpu::host
