// Addresses as text and as numbers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/network_address.hpp"

namespace fastptm::core {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST(NetworkAddress, NamesNumbersAndBracketsAreTakenApart) {
  for (const auto& [text, host, port] : std::vector<std::tuple<std::string, std::string, uint16_t>>{
           {"localhost:7600", "localhost", 7600},
           {"10.0.0.1:1", "10.0.0.1", 1},
           {"[::1]:65535", "::1", 65535},
           {"node-a.example.org:80", "node-a.example.org", 80}}) {
    const auto parsed = parse_network_address(text);
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(parsed->host, host);
    EXPECT_EQ(parsed->port, port);
    EXPECT_EQ(to_text(*parsed), text);
  }
}

TEST(NetworkAddress, WhatIsMissingIsSaid) {
  for (const auto& [text, missing] : std::vector<std::pair<std::string, std::string>>{{"localhost", "no port"},
                                                                                      {"10.0.0.1", "no port"},
                                                                                      {"[::1]", "no port"},
                                                                                      {"", "no port"},
                                                                                      {":80", "no host"},
                                                                                      {"[]:80", "no host"},
                                                                                      {"[::1:80", "no port"},
                                                                                      {"[::1]80", "no port"},
                                                                                      {"::1", "[ADDRESS]:PORT"},
                                                                                      {"fe80::1:80", "[ADDRESS]:PORT"},
                                                                                      {"a:", "1 to 65535"},
                                                                                      {"a:0", "1 to 65535"},
                                                                                      {"a:65536", "1 to 65535"},
                                                                                      {"a:8x", "1 to 65535"},
                                                                                      {"a b:80", "no host"}}) {
    const auto parsed = parse_network_address(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, errc::invalid);
    EXPECT_THAT(parsed.error().message, HasSubstr(missing)) << text;
  }
}

TEST(NetworkAddress, AMistypedNumberIsNoName) {
  EXPECT_FALSE(is_host("10.0.0"));
  EXPECT_FALSE(is_host("256.1.1.1"));
  EXPECT_FALSE(is_host("12345::g"));
  EXPECT_FALSE(is_host(std::string(254, 'a')));
  EXPECT_TRUE(is_host("10-0-0-1.cluster"));
  EXPECT_TRUE(is_host("fe80::1"));
}

TEST(NetworkAddress, ANumberResolvesToItself) {
  EXPECT_EQ(resolve("10.1.2.3")->at(0), "10.1.2.3");
  EXPECT_EQ(resolve("0:0:0:0:0:0:0:1")->at(0), "::1");
}

TEST(NetworkAddress, LocalhostIsOfThisMachine) {
  const auto own = resolve_own("localhost");
  ASSERT_TRUE(own) << own.error().message;
  EXPECT_TRUE(is_loopback_host(*own));
  EXPECT_THAT(*resolve("localhost"), Contains(*own));
}

TEST(NetworkAddress, ANameWithoutAddressIsNamed) {
  const auto resolved = resolve("no-such-host.invalid");
  ASSERT_FALSE(resolved);
  EXPECT_THAT(resolved.error().message, HasSubstr("no-such-host.invalid"));
}

TEST(NetworkAddress, AForeignAddressIsNotOwn) {
  EXPECT_THAT(interface_of("192.0.2.1"), IsEmpty());
  EXPECT_THAT(interface_of("127.0.0.1"), Not(IsEmpty()));
  EXPECT_FALSE(resolve_own("192.0.2.1"));
}

TEST(NetworkAddress, WhoListensEverywhereIsReachedOnLoopback) {
  EXPECT_EQ(reachable_host("0.0.0.0"), "127.0.0.1");
  EXPECT_EQ(reachable_host("::"), "::1");
  EXPECT_EQ(reachable_host("10.0.0.1"), "10.0.0.1");
}

} // namespace
} // namespace fastptm::core
