// What a skeleton is made for, and what a model asks of it: architecture and task as values that know no family.
#pragma once

#include <cstdint>
#include <string>

#include "core/error.hpp"
#include "core/task.hpp"

namespace fastptm::models {

// Numbers of these enumerations stand in manifests: never reuse one.
enum class dtype : uint8_t { f32 = 0 };

// Models with equal ones share a skeleton, whoever published them. models/registry.hpp says what it means.
struct architecture {
  std::string family;        // a row of models/registry.cpp: "bert"
  std::string configuration; // that family's numbers as its canonical text (models/canonical.hpp), opaque to others
  models::dtype dtype = dtype::f32;
  uint32_t layout_tag = 0; // 0: plain row-major

  bool operator==(const architecture&) const = default;
};

using core::task_kind;
enum class pooling : uint8_t { mean = 0, cls = 1, max = 2, mean_sqrt_len = 3 };

// What is computed from the last layer. It is no part of the architecture:
// tenants with different label counts share a skeleton.
struct task {
  task_kind kind = task_kind::embed;
  pooling pool = pooling::mean; // embed only
  bool normalize = false;       // embed only: to unit length
  bool has_pooler = false;      // the head shard holds a pooler; always with classify
  uint32_t labels = 0;          // classify only
  uint32_t max_tokens = 0;      // longest input, special tokens included; at most model_facts::positions

  bool operator==(const task&) const = default;
};

// What everybody may know of an architecture; its family works it out.
struct model_facts {
  std::string name;               // for people: "bert-6x384-f32"
  uint32_t features = 0;          // of an embedding
  uint32_t vocabulary = 0;        // token ids are below
  uint32_t positions = 0;         // longest sequence
  uint32_t token_types = 0;       // token types are below; 0: the model knows none
  uint64_t weights_per_token = 0; // that a token is multiplied with: what a pass over it costs
};

inline constexpr uint32_t max_labels = 65'536;

std::string_view to_string(pooling pool) noexcept;

} // namespace fastptm::models
