// Hex in and out.
#include "core/digest.hpp"

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

std::optional<digest> digest::from_hex(std::string_view text) {
  digest value;
  if (text.size() != 2 * value.bytes.size()) return std::nullopt;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto at = hex_digits.find(text[i]);
    if (at == std::string_view::npos) return std::nullopt;
    auto& byte = value.bytes[i / 2];
    byte = static_cast<uint8_t>((byte << 4) | at);
  }
  return value;
}

} // namespace fastptm::core
