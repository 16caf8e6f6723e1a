// What the engine must compute, in double precision, row by row, from the definitions: shares no code with the engine.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/random.hpp"
#include "engine/runner.hpp"
#include "models/encoder/config.hpp"

namespace fastptm::engine::reference {

// A model as named tensors: shard by shard, row-major, names as in models/layout.hpp.
struct model {
  models::encoder::config arch;
  models::task job;
  std::vector<std::map<std::string, std::vector<float>>> shards;
};

// Seeded weights of a size that keeps every layer's activations in a normal range.
model random_model(const models::encoder::config& arch, const models::task& job, core::prng& random);

// The embedding or the logits of one input.
std::vector<double> run(const model& of, const sequence& input);

} // namespace fastptm::engine::reference
