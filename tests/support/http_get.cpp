// One request, one connection.
#include "tests/support/http_get.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace fastptm::tests {

std::string http_get(const std::string& address, const std::string& path) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  EXPECT_EQ(::connect(socket, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  const auto request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  EXPECT_GT(::send(socket, request.data(), request.size(), MSG_NOSIGNAL), 0);
  ::shutdown(socket, SHUT_WR); // the server keeps the connection for more requests otherwise
  std::string out;
  char bytes[4096];
  for (ssize_t n; (n = ::recv(socket, bytes, sizeof bytes, 0)) > 0;) out.append(bytes, static_cast<size_t>(n));
  ::close(socket);
  return out;
}

} // namespace fastptm::tests
