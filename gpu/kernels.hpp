// What a device computes: the operators of an encoder, on activations in the device's own layout.
#pragma once

#include <cstdint>
#include <span>

#include "core/memory_region.hpp"

namespace fastptm::gpu {

enum class activation : uint8_t { none, gelu_erf, gelu_tanh, relu, tanh };
enum class pooling : uint8_t { mean, first, max, mean_sqrt_length };

// A matrix of activations in a device buffer: rows are tokens (or whole sequences), the layout is the backend's.
// A view: whoever owns the buffer keeps it alive. Requires: memory has at least activation_bytes(rows, features).
struct activations {
  core::memory_region memory;
  uint32_t rows = 0;
  uint32_t features = 0;
};

// The consecutive rows of one sequence. Sequences of a batch follow each other without padding.
struct row_span {
  uint32_t first = 0;
  uint32_t count = 0;
};

// Row-major tables of an embedding, in the arena.
struct embedding_tables {
  const float* word = nullptr;
  const float* position = nullptr;
  const float* token_type = nullptr; // null: the model knows no types
};

// Plain row-major weight [outputs, inputs] and bias [outputs], in the arena.
struct linear_weights {
  const float* weight = nullptr;
  const float* bias = nullptr;
};

struct norm_weights {
  const float* scale = nullptr;
  const float* shift = nullptr;
  float epsilon = 0;
};

// One thread at a time: the device's executor. Calls happen in order; one may return before its work is done, read() is
// the point where everything is. A row's result depends on that row's sequence alone, bit by bit,
// whatever else is in the batch.
class kernels {
public:
  virtual ~kernels() = default;

  // Bytes that a matrix takes in the backend's layout: never less for more rows.
  virtual uint64_t activation_bytes(uint32_t rows, uint32_t features) const = 0;

  // out.row(t) = word[ids[t]] + position[t's place in its sequence] + token_type[types[t]], the last if there is a
  // table. Requires: ids and types inside the tables; one of each per row.
  virtual void embed(std::span<const int32_t> ids, std::span<const int32_t> types, std::span<const row_span> sequences,
                     const embedding_tables& tables, activations out) = 0;

  // out = act(in * weight^T + bias). Requires: out does not overlap in.
  virtual void linear(activations in, const linear_weights& weights, activation act, activations out) = 0;

  // out += in * weight^T + bias: a layer's residual. Requires: out does not overlap in.
  virtual void linear_add(activations in, const linear_weights& weights, activations out) = 0;

  // in: rows of query | key | value, each of `heads` heads; out:
  // softmax(q k^T / sqrt(head width)) v of each sequence alone.
  virtual void attention(activations in, std::span<const row_span> sequences, uint32_t heads, activations out) = 0;

  // In place, every row by itself.
  virtual void layer_norm(activations inout, const norm_weights& weights) = 0;

  // out.row(i) = the rows of sequences[i] made one; rows between them belong to none.
  virtual void pool(activations in, std::span<const row_span> sequences, pooling how, activations out) = 0;

  // Every row to unit length; a row of zeros stays.
  virtual void normalize(activations inout) = 0;

  // Waits for all work so far and copies one row out. Requires: out.size() == in.features.
  virtual void read(activations in, uint32_t row, std::span<float> out) = 0;
};

} // namespace fastptm::gpu
