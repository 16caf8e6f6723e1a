// A loopback socket.
#include "tests/support/stranger.hpp"

#include <utility>

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.hpp"

namespace fastptm::tests {

stranger::stranger() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {}

bool stranger::connect_to(const std::string& address) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  return ::connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
}

stranger::~stranger() {
  if (socket_ >= 0) ::close(socket_);
}

stranger::stranger(stranger&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}

bool stranger::send(const std::string& bytes) const {
  return ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) > 0;
}

bool stranger::is_hung_up(int milliseconds) const {
  const auto end_us = core::monotonic_now_us() + core::duration_us{milliseconds} * 1000;
  char bytes[4096];
  for (;;) {
    const auto left = static_cast<int>((end_us - core::monotonic_now_us()) / 1000);
    pollfd readable{socket_, POLLIN, 0};
    if (left <= 0 || ::poll(&readable, 1, left) != 1) return false;
    if (::recv(socket_, bytes, sizeof bytes, 0) <= 0) return true;
  }
}

} // namespace fastptm::tests
