// Checks of invariants that stay on in every build: a broken one ends the process at once with a message.
#pragma once

#include <string_view>

namespace fastptm::core {

// Prints `file:line: check failed: message` to stderr and aborts.
[[noreturn]] void check_failed(std::string_view message, const char* file, int line) noexcept;

// For what can only be false by a mistake in this program; bad input is a result, never a check.
inline void check(bool condition, std::string_view message, const char* file = __builtin_FILE(),
                  int line = __builtin_LINE()) {
  if (!condition) [[unlikely]]
    check_failed(message, file, line);
}

} // namespace fastptm::core
