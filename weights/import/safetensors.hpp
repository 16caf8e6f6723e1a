// Reads and checks the header of a safetensors file; the data stay where they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "weights/import/regular_file.hpp"

namespace fastptm::weights {

struct safetensor {
  std::string name;
  std::string dtype; // as the format spells it, e.g. "F32", "BF16"
  std::vector<uint64_t> shape;
  uint64_t offset_bytes = 0; // in the file
  uint64_t size_bytes = 0;
};

// The format has no limits of its own for names and counts; these are ours.
inline constexpr uint64_t max_safetensors_header_bytes = 16 << 20;
inline constexpr size_t max_safetensors_tensors = 131'072;
inline constexpr size_t max_safetensors_name_bytes = 512;
inline constexpr size_t max_safetensors_rank = 16;

// All tensors in the order of their data. Refuses whatever is not exactly the format: see docs/weight_format.md for the
// list. Reads the header only, whatever the file's size.
core::result<std::vector<safetensor>> read_safetensors_header(const regular_file& file);

struct safetensor_source {
  std::string name;
  std::string dtype;
  std::vector<uint64_t> shape;
  uint64_t size_bytes = 0;
};

// The header of a file that holds these tensors in this order:
// length prefix included, padded with spaces to a multiple of 8.
std::string make_safetensors_header(std::span<const safetensor_source> tensors);

// Text of a shape for messages: "[3, 4]".
std::string shape_text(std::span<const uint64_t> shape);

} // namespace fastptm::weights
