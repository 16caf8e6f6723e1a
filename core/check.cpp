// Ends the process when an invariant is broken.
#include "core/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace fastptm::core {

void check_failed(std::string_view message, const char* file, int line) noexcept {
  std::fprintf(stderr, "%s:%d: check failed: %.*s\n", file, line, static_cast<int>(message.size()), message.data());
  std::fflush(stderr);
  std::abort();
}

} // namespace fastptm::core
