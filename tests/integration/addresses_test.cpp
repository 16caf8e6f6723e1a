// Names and IPv6 where addresses stand, on real sockets.
#include <arpa/inet.h>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sstream>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/integration/real_binary.hpp"

namespace fastptm::integration {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::string with_address(std::string config, const std::string& node, const std::string& address) {
  const auto from = "name = \"" + node + "\"";
  return config.replace(config.find(from), from.size(), from + ", address = \"" + address + "\"");
}

bool has_ipv6() {
  const int socket = ::socket(AF_INET6, SOCK_STREAM, 0);
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  const bool bound = ::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  ::close(socket);
  return bound;
}

std::string record(const cluster& of, const std::string& key) {
  std::ifstream in(of.where().state() / "run" / "head.json");
  std::ostringstream text;
  text << in.rdbuf();
  return text_of(*core::parse_json(text.str(), "head.json"), key);
}

// Everything a client does, with the gateway's address from the record.
void expect_service(cluster& c) {
  const auto up = c.up();
  ASSERT_EQ(up.code, 0) << up.err;
  const auto model = c.publish("m", 1);
  EXPECT_THAT(c.embed(model), Not(IsEmpty()));
  const auto models =
      c.where().run_in({{}, {}, {"FASTPTM_TOKEN_FILE=" + (c.where().state() / "tokens" / "acme").string()}},
                       {"models", "--connect", record(c, "gateway"), "--json"});
  EXPECT_EQ(models.code, 0) << models.err;
  EXPECT_EQ(text_of(models.json(), "name"), model);
}

TEST(Addresses, NamesServeAsAddresses) {
  auto config = config_text(1, 8, "  gateway = (address = \"localhost\", httpAddress = \"localhost\"),\n");
  for (const auto* node : {"head", "worker-0"}) config = with_address(config, node, "localhost");
  cluster c(config);
  expect_service(c);
}

TEST(Addresses, Ipv6ServesAsAddress) {
  if (!has_ipv6()) GTEST_SKIP() << "no IPv6 on the loopback interface";
  auto config = config_text(2, 8, "  gateway = (address = \"::1\", httpAddress = \"[::1]\"),\n");
  for (const auto* node : {"head", "worker-0", "worker-1"}) config = with_address(config, node, "[::1]");
  cluster c(config);
  expect_service(c);
  EXPECT_THAT(record(c, "gateway"), HasSubstr("[::1]:"));
  EXPECT_THAT(record(c, "control"), HasSubstr("[::1]:"));
}

TEST(Addresses, AWildcardIsRecordedAsWhereClientsReachIt) {
  cluster c(config_text(1, 8, "  gateway = (address = \"0.0.0.0\", insecure = true, httpAddress = \"0.0.0.0\"),\n"));
  expect_service(c);
  EXPECT_THAT(record(c, "gateway"), HasSubstr("127.0.0.1:"));
  EXPECT_THAT(record(c, "http"), HasSubstr("127.0.0.1:"));
}

TEST(Addresses, ANameThatDoesNotResolveIsNamed) {
  auto config = config_text(1);
  for (const auto* node : {"head", "worker-0"}) config = with_address(config, node, "no-such-host.invalid");
  cluster c(config);
  const auto up = c.up();
  EXPECT_EQ(up.code, 1);
  EXPECT_THAT(up.err, HasSubstr("no-such-host.invalid"));

  cluster g(config_text(1, 8, "  gateway = (address = \"no-such-gateway.invalid\", insecure = true),\n"));
  const auto refused = g.up();
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("no-such-gateway.invalid"));
}

TEST(Addresses, ClientsTakeNamesAndSayWhatIsMissing) {
  cluster c(config_text(1));
  ASSERT_EQ(c.up().code, 0);
  const auto token = "FASTPTM_TOKEN_FILE=" + (c.where().state() / "tokens" / "acme").string();
  const auto port = record(c, "gateway").substr(record(c, "gateway").rfind(':'));
  EXPECT_EQ(c.where().run_in({{}, {}, {token}}, {"models", "--connect", "localhost" + port}).code, 0);
  const auto no_port = c.where().run_in({{}, {}, {token}}, {"models", "--connect", "localhost"});
  EXPECT_EQ(no_port.code, 2);
  EXPECT_THAT(no_port.err, HasSubstr("HOST:PORT"));
  const auto no_host = c.where().run_in({{}, {}, {token}}, {"models", "--connect", "no-such-host.invalid" + port});
  EXPECT_EQ(no_host.code, 1);
  EXPECT_THAT(no_host.err, HasSubstr("no-such-host.invalid"));
}

} // namespace
} // namespace fastptm::integration
