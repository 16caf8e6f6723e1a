// A SHA-256 value: the name of a shard, a manifest, a card. Computing one is weights/format/hash's work.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>

namespace fastptm::core {

struct digest {
  std::array<uint8_t, 32> bytes{};

  // 64 lower-case hex digits.
  std::string hex() const;
  // The first 12 hex digits: for logs and tables.
  std::string short_hex() const { return hex().substr(0, 12); }

  friend auto operator<=>(const digest&, const digest&) = default;
};

} // namespace fastptm::core

template <> struct std::hash<fastptm::core::digest> {
  // The bytes are already uniform.
  size_t operator()(const fastptm::core::digest& d) const noexcept {
    size_t h = 0;
    std::memcpy(&h, d.bytes.data(), sizeof h);
    return h;
  }
};
