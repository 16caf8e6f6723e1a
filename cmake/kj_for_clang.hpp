// Lets clang read Cap'n Proto 0.9 as C++20: a comparison that KJ declares outside of its namespace, where it is found.
#pragma once

#include <kj/string.h>

namespace kj {

// GCC 12 turns the member's arguments round by itself; the standard has since forbidden that to classes with their own
// `!=` (P2468), and clang follows it.
inline bool operator==(const char* left, const StringPtr& right) {
  return right == StringPtr(left);
}
inline bool operator!=(const char* left, const StringPtr& right) {
  return !(right == StringPtr(left));
}

} // namespace kj
