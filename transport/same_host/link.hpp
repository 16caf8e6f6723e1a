// Small messages, one of them with an open file, between two processes of this host and this user.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "core/clock.hpp"
#include "core/descriptor.hpp"
#include "core/error.hpp"
#include "transport/cluster_secret.hpp"
#include "transport/exporter.hpp"

namespace fastptm::transport::same_host {

// The conversation: the asker says hello, the owner challenges, the asker answers and names a region,
// the owner hands it over.
inline constexpr uint32_t version = 1;

struct hello {
  uint32_t version = same_host::version;
  uint32_t reserved = 0;
  uint64_t incarnation = 0; // of the owner, as the asker knows it
  nonce asker{};
};
struct challenge {
  uint64_t error = 0; // core::errc
  nonce owner{};
  proof proven{};
};
struct question {
  proof proven{};
  exported region{};
};
struct handover { // with the file, unless there is an error
  uint64_t error = 0;
  uint64_t size_bytes = 0;
};

// `address`: a path, or an abstract name behind '@'. Both are sequenced-packet sockets.
core::result<core::descriptor> listen_at(const std::string& address);
core::result<core::descriptor> connect_to(const std::string& address, core::duration_us timeout_us);
// The other end is a process of this user.
bool is_same_user(const core::descriptor& socket);
// Bounds every later send and receive.
void set_timeout(const core::descriptor& socket, core::duration_us timeout_us);

core::result<void> send_bytes(const core::descriptor& socket, const void* data, size_t size, int file);
core::result<void> receive_bytes(const core::descriptor& socket, void* data, size_t size, core::descriptor* file);

template <class Message>
core::result<void> send(const core::descriptor& socket, const Message& message, int file = -1) {
  return send_bytes(socket, &message, sizeof message, file);
}
// Receives exactly one message of this size; a file that comes with it goes to `file`.
template <class Message>
core::result<Message> receive(const core::descriptor& socket, core::descriptor* file = nullptr) {
  Message message;
  if (auto received = receive_bytes(socket, &message, sizeof message, file); !received)
    return core::fail(received.error());
  return message;
}

} // namespace fastptm::transport::same_host
