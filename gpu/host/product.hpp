// in * weight^T on panels: weights are read where they lie, rows of the weight against panels of the input.
#pragma once

#include "gpu/host/accumulate.hpp"
#include "gpu/host/kernel_table.hpp"
#include "gpu/host/vector_math.hpp"

namespace fastptm::gpu::host {

template <class Vector> class product {
public:
  static void run(const product_block& block) {
    for (uint32_t depth = 0; depth < block.inputs; depth += depth_step) {
      const uint32_t end = block.inputs - depth < depth_step ? block.inputs : depth + depth_step;
      panels_from<Vector::product_panels>(block, block.first_panel, depth, end);
    }
  }

private:
  // In steps of depth, so that a tile's part of the input stays in the level-2 cache.
  static constexpr uint32_t depth_step = 768;
  static constexpr unsigned cache_line_floats = 16;

  // As many panels at once as fill the registers, half as many for what is left.
  template <unsigned Panels>
  static void panels_from(const product_block& block, uint32_t panel, uint32_t depth, uint32_t end) {
    for (; panel + Panels <= block.last_panel; panel += Panels) {
      // The first panels of a block meet weights that are still in memory.
      if (panel == block.first_panel)
        outputs<Panels, true>(block, panel, depth, end);
      else
        outputs<Panels, false>(block, panel, depth, end);
    }
    if constexpr (Panels > 1) panels_from<Panels / 2>(block, panel, depth, end);
  }

  template <unsigned Panels, bool Prefetch>
  static void outputs(const product_block& block, uint32_t panel, uint32_t depth, uint32_t end) {
    uint32_t output = block.first_output;
    for (; output + Vector::product_rows <= block.last_output; output += Vector::product_rows) {
      tile<Vector::product_rows, Panels, Prefetch>(block, panel, output, depth, end);
    }
    for (; output < block.last_output; ++output) tile<1, Panels, Prefetch>(block, panel, output, depth, end);
  }

  template <unsigned Rows, unsigned Panels, bool Prefetch>
  [[gnu::noinline]] static void tile(const product_block& block, uint32_t panel, uint32_t output, uint32_t depth,
                                     uint32_t end) {
    float* const out = block.out + panel * panel_floats(block.outputs) + size_t{output} * panel_rows;
    const tile_operands<1, panel_rows> from = {block.weight + size_t{output} * block.inputs, block.inputs,
                                               block.in + panel * panel_floats(block.inputs),
                                               panel_floats(block.inputs)};
    tile_sums<Vector, Rows, Panels> sums;
    start(sums, block, out, output, depth == 0);
    uint32_t at = depth;
    if constexpr (Prefetch) {
      const float* const next = next_tile<Rows>(block, output, depth, end);
      for (; at + cache_line_floats <= end; at += cache_line_floats) {
        for (unsigned row = 0; row < Rows; ++row) __builtin_prefetch(next + size_t{row} * block.inputs + (at - depth));
        accumulate(sums, from, at, at + cache_line_floats);
      }
    }
    accumulate(sums, from, at, end);
    finish(sums, out, panel_floats(block.outputs), end == block.inputs ? block.act : activation::none);
  }

  // The weights that will be wanted after those of rows `output` and on: the same step of depth further down, else the
  // next step of the block's first rows, else the next block.
  template <unsigned Rows>
  static const float* next_tile(const product_block& block, uint32_t output, uint32_t depth, uint32_t end) {
    if (output + 2 * Rows <= block.last_output) return block.weight + size_t{output + Rows} * block.inputs + depth;
    if (end < block.inputs) return block.weight + size_t{block.first_output} * block.inputs + end;
    return block.weight + size_t{block.last_output < block.outputs ? block.last_output : output} * block.inputs;
  }

  // The sums so far: nothing, the residual, or the steps of depth before this one.
  template <unsigned Rows, unsigned Panels>
  [[gnu::always_inline]] static void start(tile_sums<Vector, Rows, Panels>& sums, const product_block& block,
                                           const float* out, uint32_t output, bool is_first) {
    for (unsigned row = 0; row < Rows; ++row) {
      for (unsigned v = 0; v < sums.vectors; ++v) {
        const auto before = is_first && !block.add_to_out
                                ? Vector::broadcast(0.0f)
                                : Vector::load(out + place<Vector>(row, v, panel_floats(block.outputs)));
        sums.sum[row][v] = is_first ? before + Vector::broadcast(block.bias[output + row]) : before;
      }
    }
  }

  template <unsigned Rows, unsigned Panels>
  [[gnu::always_inline]] static void finish(const tile_sums<Vector, Rows, Panels>& sums, float* out,
                                            size_t panel_stride, activation act) {
    for (unsigned row = 0; row < Rows; ++row) {
      for (unsigned v = 0; v < sums.vectors; ++v)
        Vector::store(out + place<Vector>(row, v, panel_stride), sums.sum[row][v]);
    }
    if (act == activation::none) return;
    for (unsigned v = 0; v < sums.vectors; ++v) activate(out + place<Vector>(0, v, panel_stride), Rows, act);
  }

  // One lane group of `rows` features, still in the level-1 cache.
  static void activate(float* at, unsigned rows, activation act) {
    for (unsigned row = 0; row < rows; ++row, at += panel_rows) {
      const auto x = Vector::load(at);
      Vector::store(at, act == activation::gelu_erf    ? gelu_erf_of<Vector>(x)
                        : act == activation::gelu_tanh ? gelu_tanh_of<Vector>(x)
                                                       : relu_of<Vector>(x));
    }
  }

  template <class V> static constexpr size_t place(unsigned row, unsigned v, size_t panel_stride) {
    return (v / vectors_per_panel<V>)*panel_stride + row * panel_rows + (v % vectors_per_panel<V>)*V::width;
  }
};

} // namespace fastptm::gpu::host
