// The inner loops of the host device, one set per instruction set, chosen once by CPUID.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "gpu/kernels.hpp"

namespace fastptm::gpu::host {

enum class isa : uint8_t { portable, avx2, avx512 };

constexpr std::string_view to_string(isa set) noexcept {
  return set == isa::avx512 ? "avx512" : set == isa::avx2 ? "avx2" : "portable";
}

// A part of out = act(in * weight^T + bias [+ out]):
// panels [first_panel, last_panel) x outputs [first_output, last_output).
struct product_block {
  const float* in = nullptr; // panels of `inputs` features
  const float* weight = nullptr;
  const float* bias = nullptr;
  float* out = nullptr; // panels of `outputs` features
  uint32_t inputs = 0, outputs = 0;
  uint32_t first_panel = 0, last_panel = 0;
  uint32_t first_output = 0, last_output = 0;
  bool add_to_out = false;
  activation act = activation::none; // not tanh
};

// One head of one sequence.
struct attention_block {
  const float* qkv = nullptr; // panels of 3 * width features
  float* out = nullptr;       // panels of width features
  float* scores = nullptr;    // scratch of attention_scratch_floats(rows.count)
  uint32_t width = 0;         // heads * head_width
  uint32_t head_width = 0;
  uint32_t first_feature = 0; // of this head
  row_span rows;
};

struct norm_panels {
  float* inout = nullptr;
  uint32_t features = 0;
  uint32_t first_panel = 0, last_panel = 0;
  norm_weights weights;
};

// Functions, not a class: a table is a constant, and a call goes once per block, never per element.
struct kernel_table {
  isa set = isa::portable;
  std::string_view tiles; // for people
  void (*product)(const product_block&) = nullptr;
  void (*attention)(const attention_block&) = nullptr;
  void (*layer_norm)(const norm_panels&) = nullptr;
};

// Floats of scratch for one head of a sequence of `rows` rows.
constexpr size_t attention_scratch_floats(uint32_t rows) {
  return static_cast<size_t>(rows) * 32;
}

bool is_supported(isa set) noexcept;
isa best_isa() noexcept;
// Requires: is_supported(set). Tests ask for the lesser ones, everybody else for best_isa().
const kernel_table& table_of(isa set);

// What `fastptm version` prints: the best set's name.
std::string_view isa_name() noexcept;

} // namespace fastptm::gpu::host
