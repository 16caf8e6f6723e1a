// Numeric addresses of both families, and nothing else.
#include "core/socket_address.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>

namespace fastptm::core {
namespace {

TEST(SocketAddress, IsOfTheFamilyThatTheNumberIs) {
  const auto v4 = parse_address("127.0.0.1", 7600), v6 = parse_address("::1", 7601);
  ASSERT_TRUE(v4 && v6);
  EXPECT_EQ(v4->ss_family, AF_INET);
  EXPECT_EQ(size_of(*v4), sizeof(sockaddr_in));
  EXPECT_EQ(port_of(*v4), 7600);
  EXPECT_EQ(v6->ss_family, AF_INET6);
  EXPECT_EQ(size_of(*v6), sizeof(sockaddr_in6));
  EXPECT_EQ(port_of(*v6), 7601);
}

TEST(SocketAddress, IsNoNameAndNoHalfNumber) {
  for (const auto* text : {"", "localhost", "127.0.0", "127.0.0.1:80", "[::1]", "1.2.3.4.5"})
    EXPECT_EQ(parse_address(text, 1).error().code, errc::invalid) << text;
}

} // namespace
} // namespace fastptm::core
