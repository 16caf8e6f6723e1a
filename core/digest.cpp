// A digest as text.
#include "core/digest.hpp"

#include <string_view>

namespace fastptm::core {

namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";

} // namespace

std::string digest::hex() const {
  std::string text;
  text.reserve(2 * bytes.size());
  for (const uint8_t byte : bytes) {
    text += hex_digits[byte >> 4];
    text += hex_digits[byte & 15];
  }
  return text;
}

} // namespace fastptm::core
