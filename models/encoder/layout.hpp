// Where an encoder's tensors lie: docs/weight_format.md lists them.
#pragma once

#include <vector>

#include "models/encoder/config.hpp"
#include "models/layout.hpp"

namespace fastptm::models::encoder {

// Embeddings, layer 0 to the last, and the head if the task has tensors of its own. Requires: validate(of).
std::vector<models::shard_layout> layout_of(const config& of, const models::task& job);

} // namespace fastptm::models::encoder
