// How each operator is cut into pieces; the inner loops are in kernel_table.
#include "gpu/host/kernels.hpp"

#include <algorithm>
#include <cmath>

#include "core/check.hpp"
#include "gpu/host/panels.hpp"

namespace fastptm::gpu::host {

namespace {

// A piece of a product: at most this many panels, so that input and output of the piece stay in the level-2 cache,
// times some outputs (a multiple of every kernel's tile), fewer when there would not be enough pieces for all threads.
constexpr uint32_t piece_panels = 8;
constexpr uint32_t largest_piece_outputs = 48;
constexpr uint32_t smallest_piece_outputs = 12;
constexpr uint32_t pieces_per_thread = 4;

float* floats(const activations& of) {
  return reinterpret_cast<float*>(of.memory.address);
}

void check_size(const activations& of) {
  core::check(of.memory.size_bytes >= panel_count(of.rows) * panel_floats(of.features) * sizeof(float),
              "an activation buffer holds its rows");
}

constexpr uint32_t pieces_of(uint32_t n, uint32_t piece) {
  return (n + piece - 1) / piece;
}

} // namespace

host_kernels::host_kernels(unsigned threads, isa set) : table_(table_of(set)), team_(threads), scratch_(threads) {}

uint64_t host_kernels::activation_bytes(uint32_t rows, uint32_t features) const {
  return panel_count(rows) * panel_floats(features) * sizeof(float);
}

void host_kernels::embed(std::span<const int32_t> ids, std::span<const int32_t> types,
                         std::span<const row_span> sequences, const embedding_tables& tables, activations out) {
  check_size(out);
  const size_t width = out.features;
  team_.for_each(static_cast<uint32_t>(sequences.size()), [&](uint32_t s, unsigned) {
    for (uint32_t i = 0; i < sequences[s].count; ++i) {
      const uint32_t row = sequences[s].first + i;
      const float* const word = tables.word + static_cast<size_t>(ids[row]) * width;
      const float* const position = tables.position + i * width;
      float* const to = floats(out) + panel_index(row, 0, out.features);
      if (tables.token_type == nullptr) {
        for (size_t f = 0; f < width; ++f) to[f * panel_rows] = word[f] + position[f];
        continue;
      }
      const float* const type = tables.token_type + static_cast<size_t>(types[row]) * width;
      for (size_t f = 0; f < width; ++f) to[f * panel_rows] = word[f] + type[f] + position[f];
    }
  });
}

void host_kernels::linear(activations in, const linear_weights& weights, activation act, activations out) {
  product(in, weights, act == activation::tanh ? activation::none : act, false, out);
  if (act != activation::tanh) return;
  // Only a pooler has it, on one row per sequence: the library's precision is worth more than speed.
  float* const at = floats(out);
  const size_t count = panel_count(out.rows) * panel_floats(out.features);
  for (size_t i = 0; i < count; ++i) at[i] = std::tanh(at[i]);
}

void host_kernels::linear_add(activations in, const linear_weights& weights, activations out) {
  product(in, weights, activation::none, true, out);
}

void host_kernels::product(activations in, const linear_weights& weights, activation act, bool add, activations out) {
  check_size(in);
  check_size(out);
  core::check(in.rows == out.rows, "a product keeps its rows");
  const uint32_t panels = panel_count(in.rows);
  const uint32_t rows = pieces_of(panels, piece_panels);
  uint32_t piece_outputs = largest_piece_outputs;
  while (piece_outputs > smallest_piece_outputs &&
         rows * pieces_of(out.features, piece_outputs) < pieces_per_thread * team_.size()) {
    piece_outputs /= 2;
  }
  const uint32_t columns = pieces_of(out.features, piece_outputs);
  team_.for_each(rows * columns, [&](uint32_t piece, unsigned) {
    const uint32_t panel = piece / columns * piece_panels;
    const uint32_t output = piece % columns * piece_outputs;
    table_.product({floats(in), weights.weight, weights.bias, floats(out), in.features, out.features, panel,
                    std::min(panel + piece_panels, panels), output, std::min(output + piece_outputs, out.features), add,
                    act});
  });
}

void host_kernels::attention(activations in, std::span<const row_span> sequences, uint32_t heads, activations out) {
  check_size(in);
  check_size(out);
  core::check(in.features == 3 * out.features && out.features % heads == 0, "attention takes query, key and value");
  uint32_t longest = 0;
  for (const row_span& rows : sequences) longest = std::max(longest, rows.count);
  for (std::vector<float>& mine : scratch_) {
    if (mine.size() < attention_scratch_floats(longest)) mine.resize(attention_scratch_floats(longest));
  }
  const uint32_t head_width = out.features / heads;
  team_.for_each(static_cast<uint32_t>(sequences.size()) * heads, [&](uint32_t piece, unsigned member) {
    table_.attention({floats(in), floats(out), scratch_[member].data(), out.features, head_width,
                      piece % heads * head_width, sequences[piece / heads]});
  });
}

void host_kernels::layer_norm(activations inout, const norm_weights& weights) {
  check_size(inout);
  team_.for_each(panel_count(inout.rows), [&](uint32_t panel, unsigned) {
    table_.layer_norm({floats(inout), inout.features, panel, panel + 1, weights});
  });
}

void host_kernels::pool(activations in, std::span<const row_span> sequences, pooling how, activations out) {
  check_size(in);
  check_size(out);
  core::check(in.features == out.features && out.rows == sequences.size(), "pooling makes one row of each sequence");
  team_.for_each(out.rows, [&](uint32_t s, unsigned) {
    const row_span rows = sequences[s];
    const uint32_t used = how == pooling::first ? 1 : rows.count;
    const float divisor = how == pooling::mean               ? static_cast<float>(used)
                          : how == pooling::mean_sqrt_length ? std::sqrt(static_cast<float>(used))
                                                             : 1.0f;
    for (uint32_t f = 0; f < in.features; ++f) {
      float pooled = floats(in)[panel_index(rows.first, f, in.features)];
      for (uint32_t i = 1; i < used; ++i) {
        const float x = floats(in)[panel_index(rows.first + i, f, in.features)];
        pooled = how == pooling::max ? std::max(pooled, x) : pooled + x;
      }
      floats(out)[panel_index(s, f, out.features)] = pooled / divisor;
    }
  });
}

void host_kernels::normalize(activations inout) {
  check_size(inout);
  for (uint32_t row = 0; row < inout.rows; ++row) {
    double squares = 0;
    for (uint32_t f = 0; f < inout.features; ++f) {
      const double x = floats(inout)[panel_index(row, f, inout.features)];
      squares += x * x;
    }
    if (squares == 0) continue;
    const double inverse = 1.0 / std::sqrt(squares);
    for (uint32_t f = 0; f < inout.features; ++f) {
      float& x = floats(inout)[panel_index(row, f, inout.features)];
      x = static_cast<float>(x * inverse);
    }
  }
}

void host_kernels::read(activations in, uint32_t row, std::span<float> out) {
  check_size(in);
  core::check(row < in.rows && out.size() == in.features, "a row that was computed");
  for (uint32_t f = 0; f < in.features; ++f) out[f] = floats(in)[panel_index(row, f, in.features)];
}

} // namespace fastptm::gpu::host
