// The names of what a task consists of.
#include "models/architecture.hpp"

namespace fastptm::models {

std::string_view to_string(pooling pool) noexcept {
  switch (pool) {
    case pooling::mean:
      return "mean";
    case pooling::cls:
      return "cls";
    case pooling::max:
      return "max";
    case pooling::mean_sqrt_len:
      return "mean_sqrt_len";
  }
  return "unknown";
}

} // namespace fastptm::models
