// What UCX sees of an interface with several addresses.
#include <set>
#include <string>
#include <thread>

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include "transport/ucx/only_address.hpp"

namespace fastptm::transport::ucx {
namespace {

using testing::Contains;
using testing::ElementsAre;

std::set<std::string> loopback_addresses() {
  std::set<std::string> out;
  ifaddrs* all = nullptr;
  EXPECT_EQ(getifaddrs(&all), 0);
  for (const auto* each = all; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr || std::string(each->ifa_name) != "lo") continue;
    char text[INET6_ADDRSTRLEN] = {};
    if (each->ifa_addr->sa_family == AF_INET)
      out.insert(inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in*>(each->ifa_addr)->sin_addr, text, sizeof text));
    if (each->ifa_addr->sa_family == AF_INET6)
      out.insert(inet_ntop(AF_INET6, &reinterpret_cast<sockaddr_in6*>(each->ifa_addr)->sin6_addr, text, sizeof text));
  }
  freeifaddrs(all);
  return out;
}

TEST(OnlyAddress, HidesTheOthersOfItsInterfaceWhileItLives) {
  const auto before = loopback_addresses();
  ASSERT_THAT(before, Contains("127.0.0.1"));
  if (!before.contains("::1")) GTEST_SKIP() << "no IPv6 on the loopback interface";
  {
    const only_address scope("::1");
    EXPECT_THAT(loopback_addresses(), ElementsAre("::1"));
    std::set<std::string> elsewhere;
    std::thread([&] { elsewhere = loopback_addresses(); }).join();
    EXPECT_EQ(elsewhere, before) << "another thread is not concerned";
  }
  EXPECT_EQ(loopback_addresses(), before);
}

TEST(OnlyAddress, HidesNothingOfOtherInterfaces) {
  const auto before = loopback_addresses();
  const only_address scope("192.0.2.1");
  EXPECT_EQ(loopback_addresses(), before);
}

} // namespace
} // namespace fastptm::transport::ucx
