// What a skeleton is made for, and what a model asks of it: architecture and task as values.
#pragma once

#include <cstdint>
#include <string>

#include "core/digest.hpp"
#include "core/error.hpp"

namespace fastptm::weights {

// Numbers of these enumerations stand in manifests: never reuse one.
enum class family : uint8_t { bert = 0 };
enum class dtype : uint8_t { f32 = 0 };
enum class activation : uint8_t {
  gelu_erf = 0,  // x/2 (1 + erf(x / sqrt 2))
  gelu_tanh = 1, // the tanh approximation of it
  relu = 2
};

// The canonical numeric configuration. Models with equal ones share a skeleton, whoever published them.
struct architecture {
  weights::family family = family::bert;
  weights::dtype dtype = dtype::f32;
  uint32_t layout_tag = 0; // 0: plain row-major

  uint32_t hidden = 0;
  uint32_t layers = 0;
  uint32_t heads = 0;
  uint32_t intermediate = 0;
  uint32_t vocabulary = 0;
  uint32_t positions = 0;
  uint32_t token_types = 0;

  activation act = activation::gelu_erf;
  double layer_norm_eps = 1e-12;

  bool operator==(const architecture&) const = default;
};

enum class task_kind : uint8_t { embed = 0, classify = 1 };
enum class pooling : uint8_t { mean = 0, cls = 1, max = 2, mean_sqrt_len = 3 };

// What is computed from the last layer. It is no part of the architecture: tenants with different label counts share a
// skeleton.
struct task {
  task_kind kind = task_kind::embed;
  pooling pool = pooling::mean; // embed only
  bool normalize = false;       // embed only: to unit length
  bool has_pooler = false;      // the head shard holds a pooler; always with classify
  uint32_t labels = 0;          // classify only
  uint32_t max_tokens = 0;      // longest input, special tokens included; at most architecture::positions

  bool operator==(const task&) const = default;
};

// Bounds of everything we accept. They keep every size computed from an architecture far below 2^64.
inline constexpr uint32_t max_hidden = 16'384;
inline constexpr uint32_t max_layers = 256;
inline constexpr uint32_t max_intermediate = 131'072;
inline constexpr uint32_t max_vocabulary = 4'194'304;
inline constexpr uint32_t max_positions = 131'072;
inline constexpr uint32_t max_token_types = 1'024;
inline constexpr uint32_t max_labels = 65'536;

// errc::invalid naming the first field (as config.json spells it) that is out of bounds or does not fit the others.
core::result<void> validate(const architecture& arch);
core::result<void> validate(const architecture& arch, const task& job);

// Equal exactly for equal architectures; the key of a skeleton.
core::digest fingerprint(const architecture& arch);

// For people: "bert-6x384-f32".
std::string name_of(const architecture& arch);

std::string_view to_string(task_kind kind) noexcept;
std::string_view to_string(pooling pool) noexcept;

} // namespace fastptm::weights
