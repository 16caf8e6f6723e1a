// One connected TCP socket that never blocks: takes the bytes that are there, gives bytes while there is room.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>

#include "core/descriptor.hpp"
#include "core/error.hpp"
#include "core/memory_region.hpp"
#include "transport/sockets/wire.hpp"

namespace fastptm::transport::sockets {

// One thread. Its end closes the socket, which also takes it out of a poller.
class link {
public:
  explicit link(core::descriptor connected_or_connecting);
  link(const link&) = delete;
  link& operator=(const link&) = delete;

  // A socket on its way to the address; writable once it is connected or cannot be.
  static core::result<core::descriptor> begin_connect(const std::string& numeric_host, uint16_t port);
  // Why it could not connect; empty once it is connected.
  core::result<void> connected() const;

  int socket() const { return socket_.get(); }

  struct moved {
    uint64_t bytes = 0;
    bool ended = false; // nothing moves any more
  };
  // At most so many bytes; into nowhere for drop().
  moved take(std::byte* to, uint64_t most_bytes);
  moved drop(uint64_t most_bytes);

  // To be given in this order. A payload is the lender's until `given` was called; it is not called by the destructor.
  template <class Message> void give(const Message& message) { put(&message, sizeof message, {}, {}); }
  void give(const wire::message& message, core::memory_region payload, std::function<void()> given) {
    put(&message, sizeof message, payload, std::move(given));
  }
  // As much as there is room for, at most about so much.
  moved flush(uint64_t most_bytes);
  bool has_to_give() const { return !outgoing_.empty(); }
  size_t messages_to_give() const { return outgoing_.size(); }

private:
  struct outgoing {
    std::array<std::byte, sizeof(wire::message)> head;
    uint64_t head_bytes = 0;
    core::memory_region payload;
    std::function<void()> given;
    uint64_t done_bytes = 0; // of head and payload together
  };

  void put(const void* head, size_t head_bytes, core::memory_region payload, std::function<void()> given);
  int64_t send_front(uint64_t most_bytes);

  const core::descriptor socket_;
  std::deque<outgoing> outgoing_;
};

} // namespace fastptm::transport::sockets
