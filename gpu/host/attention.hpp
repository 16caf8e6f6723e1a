// softmax(q k^T / sqrt(width)) v of one head of one sequence: queries in the lanes, keys one after the other.
#pragma once

#include "gpu/host/accumulate.hpp"
#include "gpu/host/kernel_table.hpp"
#include "gpu/host/vector_math.hpp"

namespace fastptm::gpu::host {

// A sequence may begin and end inside a panel it shares with others: keys are then a part of the panel's lanes, queries
// are computed in all lanes and stored from the sequence's own. Panels of queries go by Panels at a time.
template <class Vector, unsigned Panels> class attention_step {
  static constexpr unsigned lanes = Panels * panel_rows;
  static constexpr unsigned vectors = Panels * vectors_per_panel<Vector>;
  static constexpr unsigned tile_rows = Vector::attention_rows;
  using native = typename Vector::native;

public:
  attention_step(const attention_block& block, uint32_t query_panel)
      : block_(block), query_panel_(query_panel), end_(block.rows.first + block.rows.count),
        stride_(panel_floats(3 * block.width)) {}

  void run() {
    score();
    softmax();
    weigh();
  }

private:
  const float* query(uint32_t panel) const { return head(panel, 0); }
  const float* key(uint32_t panel) const { return head(panel, 1); }
  const float* value(uint32_t panel) const { return head(panel, 2); }
  const float* head(uint32_t panel, uint32_t part) const {
    return block_.qkv + panel * stride_ + size_t{part * block_.width + block_.first_feature} * panel_rows;
  }

  // Calls body(panel, first lane, last lane, keys before it) for every panel that holds keys of the sequence.
  template <class Body> [[gnu::always_inline]] void for_each_key_panel(const Body& body) const {
    for (uint32_t row = block_.rows.first; row < end_;) {
      const uint32_t lane = row % panel_rows;
      const uint32_t count = panel_rows - lane < end_ - row ? panel_rows - lane : end_ - row;
      body(row / panel_rows, lane, lane + count, row - block_.rows.first);
      row += count;
    }
  }

  // scores[key][query lane] = q . k
  void score() {
    for_each_key_panel([this](uint32_t panel, uint32_t first, uint32_t last, uint32_t done) {
      uint32_t lane = first;
      for (; lane + tile_rows <= last; lane += tile_rows) score_tile<tile_rows>(panel, lane, done + lane - first);
      for (; lane < last; ++lane) score_tile<1>(panel, lane, done + lane - first);
    });
  }

  template <unsigned Rows> [[gnu::noinline]] void score_tile(uint32_t panel, uint32_t lane, uint32_t key_index) {
    const tile_operands<panel_rows, panel_rows> from = {key(panel) + lane, 1, query(query_panel_), stride_};
    tile_sums<Vector, Rows, Panels> sums{};
    accumulate(sums, from, 0, block_.head_width);
    float* const out = block_.scores + size_t{key_index} * lanes;
    for (unsigned row = 0; row < Rows; ++row) {
      for (unsigned v = 0; v < vectors; ++v) Vector::store(out + row * lanes + v * Vector::width, sums.sum[row][v]);
    }
  }

  // Scores become exponentials; their sums wait in inverse_sum_ for the end, where there is less to divide.
  void softmax() {
    const native scale = Vector::broadcast(1.0f / __builtin_sqrtf(static_cast<float>(block_.head_width)));
    const uint32_t keys = block_.rows.count;
    native largest[vectors], sum[vectors];
    for (unsigned v = 0; v < vectors; ++v) {
      largest[v] = Vector::broadcast(-3.0e38f);
      sum[v] = Vector::broadcast(0.0f);
    }
    for (uint32_t k = 0; k < keys; ++k) {
      for (unsigned v = 0; v < vectors; ++v) largest[v] = Vector::max(largest[v], Vector::load(score_at(k, v)));
    }
    for (uint32_t k = 0; k < keys; ++k) {
      for (unsigned v = 0; v < vectors; ++v) {
        const native e = exp_of<Vector>((Vector::load(score_at(k, v)) - largest[v]) * scale);
        Vector::store(score_at(k, v), e);
        sum[v] = sum[v] + e;
      }
    }
    for (unsigned v = 0; v < vectors; ++v) inverse_sum_[v] = Vector::broadcast(1.0f) / sum[v];
  }

  float* score_at(uint32_t key_index, unsigned v) const {
    return block_.scores + size_t{key_index} * lanes + v * Vector::width;
  }

  // out = sum over keys of exponential * value / sum of exponentials
  void weigh() {
    uint32_t feature = 0;
    for (; feature + tile_rows <= block_.head_width; feature += tile_rows) weigh_tile<tile_rows>(feature);
    for (; feature < block_.head_width; ++feature) weigh_tile<1>(feature);
  }

  template <unsigned Rows> [[gnu::noinline]] void weigh_tile(uint32_t feature) {
    tile_sums<Vector, Rows, Panels> sums{};
    for_each_key_panel([&](uint32_t panel, uint32_t first, uint32_t last,
                           uint32_t done) __attribute__((always_inline)) {
      const tile_operands<1, lanes> from = {value(panel) + size_t{feature} * panel_rows + first, panel_rows,
                                            block_.scores + size_t{done} * lanes, panel_rows};
      accumulate(sums, from, 0, last - first);
    });
    for (unsigned row = 0; row < Rows; ++row) {
      for (unsigned v = 0; v < vectors; ++v) {
        store(feature + row, v, sums.sum[row][v] * inverse_sum_[v]);
      }
    }
  }

  // Only lanes of this sequence: another thread may be writing its neighbour's lanes of the same panel.
  void store(uint32_t feature, unsigned v, native result) {
    const uint32_t panel = query_panel_ + v / vectors_per_panel<Vector>;
    const uint32_t lane = (v % vectors_per_panel<Vector>)*Vector::width;
    const uint32_t row = panel * panel_rows + lane;
    float* const out =
        block_.out + panel * panel_floats(block_.width) + size_t{block_.first_feature + feature} * panel_rows + lane;
    if (row >= block_.rows.first && row + Vector::width <= end_) return Vector::store(out, result);
    float each[Vector::width];
    Vector::store(each, result);
    for (unsigned i = 0; i < Vector::width; ++i) {
      if (row + i >= block_.rows.first && row + i < end_) out[i] = each[i];
    }
  }

  const attention_block& block_;
  const uint32_t query_panel_;
  const uint32_t end_; // one past the sequence's last row
  const size_t stride_;
  native inverse_sum_[vectors];
};

template <class Vector> void attend(const attention_block& block) {
  const uint32_t last_panel = panel_count(block.rows.first + block.rows.count);
  uint32_t panel = block.rows.first / panel_rows;
  for (; panel + Vector::attention_panels <= last_panel; panel += Vector::attention_panels) {
    attention_step<Vector, Vector::attention_panels>(block, panel).run();
  }
  for (; panel < last_panel; ++panel) attention_step<Vector, 1>(block, panel).run();
}

} // namespace fastptm::gpu::host
