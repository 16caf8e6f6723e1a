// Concatenation with a bound; see batch.hpp.
#include "models/skeleton/batch.hpp"

namespace fastptm::models {

size_t batch::fill(std::span<const sequence> inputs) {
  ids.clear();
  token_types.clear();
  sequences.clear();
  pooled.clear();
  for (const sequence& input : inputs) {
    if (!sequences.empty() && ids.size() + input.ids.size() > rows_per_pass) break;
    const auto count = static_cast<uint32_t>(input.ids.size());
    sequences.push_back({rows(), count});
    pooled.push_back({rows() + input.unpooled, count - input.unpooled});
    ids.insert(ids.end(), input.ids.begin(), input.ids.end());
    if (input.token_types.empty())
      token_types.resize(ids.size(), 0);
    else
      token_types.insert(token_types.end(), input.token_types.begin(), input.token_types.end());
  }
  return sequences.size();
}

} // namespace fastptm::models
