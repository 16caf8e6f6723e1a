// The kernel's randomness.
#include "core/random.hpp"

#include <array>
#include <sys/random.h>

#include "core/check.hpp"
#include "core/digest.hpp"

namespace fastptm::core {

namespace {

void fill_random(void* target, size_t size_bytes) {
  // Requests of up to 256 bytes are never cut short (getrandom(2)).
  check(getrandom(target, size_bytes, 0) == static_cast<ssize_t>(size_bytes), "getrandom failed");
}

} // namespace

uint64_t true_random_u64() {
  uint64_t value = 0;
  while (value == 0) fill_random(&value, sizeof value);
  return value;
}

std::string random_secret_hex() {
  digest bytes;
  fill_random(bytes.bytes.data(), bytes.bytes.size());
  return bytes.hex();
}

} // namespace fastptm::core
