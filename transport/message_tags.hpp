// Tags of messages: nobody between two peers can add, change, repeat or leave out one unnoticed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "transport/cluster_secret.hpp"

namespace fastptm::transport {

using tag = std::array<uint8_t, 16>;

// HMAC-SHA256 over (direction, number of the message, bytes), cut to 16 bytes. Each end has one object for what it
// sends and one for what it takes; both count. One thread.
class message_tags {
public:
  enum class direction : uint8_t { to_source = 1, to_asker = 2 };

  // `key`: of this conversation alone.
  message_tags(const proof& key, direction way) : key_(key), way_(way) {}

  tag next(std::span<const std::byte> bytes);
  // In constant time; counts whatever the outcome.
  bool is_next(std::span<const std::byte> bytes, const tag& given);

private:
  proof key_;
  direction way_;
  uint64_t count_ = 0;
};

} // namespace fastptm::transport
