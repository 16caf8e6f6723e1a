// Lets clang read Cap'n Proto 0.9 as C++20: a comparison that KJ declares elsewhere, and its macros.
#pragma once

// KJ_ASSERT_NONNULL and its like are expressions of statements, which GCC takes without -Wpedantic's word.
#pragma clang diagnostic ignored "-Wgnu-statement-expression-from-macro-expansion"

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
