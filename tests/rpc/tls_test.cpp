// A gateway with TLS: who it is proves itself, and strangers have no more of it than without.
#include "rpc/tls.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/rpc/fake_cluster.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/stranger.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/until.hpp"

namespace fastptm::rpc {
namespace {

using testing::HasSubstr;

class Tls : public testing::Test {
protected:
  static front_end_options options() {
    auto out = fake_cluster::default_options();
    out.tls = tls_identity{tests::localhost_certificate, tests::localhost_key};
    return out;
  }

  std::string port() const {
    const auto& address = cluster_.addresses().gateway_tls;
    return address.substr(address.rfind(':'));
  }
  core::result<std::unique_ptr<clients::tenant_client>> connect(const std::string& address,
                                                                const char* authority) const {
    tests::write_file(folder_ / "authority.crt", authority);
    return clients::tenant_client::connect(
        {.address = address, .authority = (folder_ / "authority.crt").string(), .token = acme_token, .loop = loop_});
  }

  const tests::temporary_folder folder_;
  fake_cluster cluster_{options()};
  const std::shared_ptr<clients::event_loop> loop_ = clients::make_event_loop();
};

TEST_F(Tls, CarriesCallsAndAnswers) {
  auto client = connect("tls://localhost" + port(), tests::authority_certificate);
  ASSERT_TRUE(client) << client.error().message;
  EXPECT_EQ(*(*client)->ping(7), 7u);
  EXPECT_EQ((*client)->ping_many(500, 64)->size(), 500u);
}

TEST_F(Tls, AGatewayThatTheAuthorityDoesNotKnowIsNotTrusted) {
  const auto client = connect("tls://localhost" + port(), tests::other_authority_certificate);
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, core::errc::permission_denied);
  EXPECT_THAT(client.error().message, HasSubstr("FASTPTM_CA"));
}

TEST_F(Tls, AGatewayOfAnotherNameIsNotTrusted) {
  const auto client = connect("tls://127.0.0.1" + port(), tests::authority_certificate);
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, core::errc::permission_denied);
}

TEST_F(Tls, IsAllThatItsPortSpeaks) {
  EXPECT_FALSE(clients::tenant_client::connect(
      {.address = cluster_.addresses().gateway_tls, .token = acme_token, .loop = loop_}));
  auto local = cluster_.connect(acme_token, loop_);
  ASSERT_TRUE(local) << local.error().message;
  EXPECT_EQ(*(*local)->ping(1), 1u);
}

TEST_F(Tls, StrangersWhoSayNothingKeepNobodyOut) {
  std::vector<tests::stranger> silent;
  for (int i = 0; i < 100; ++i) silent.emplace_back(cluster_.addresses().gateway_tls);
  auto client = connect("tls://localhost" + port(), tests::authority_certificate);
  ASSERT_TRUE(client) << client.error().message;
  EXPECT_TRUE(silent.front().is_hung_up(10'000));
}

TEST(TlsStrangers, AreHungUpOnWhenTheyDoNotLogIn) {
  auto options = fake_cluster::default_options();
  options.tls = tls_identity{tests::localhost_certificate, tests::localhost_key};
  options.limits.login_timeout_us = 300'000;
  const fake_cluster cluster(options);
  const tests::stranger silent(cluster.addresses().gateway_tls), junk(cluster.addresses().gateway_tls);
  junk.send(std::string(1000, '\xff'));
  EXPECT_TRUE(junk.is_hung_up(10'000));
  EXPECT_TRUE(silent.is_hung_up(10'000));
}

TEST(TlsIdentity, OfTextsThatAreNoneOrDoNotBelongTogetherIsRefused) {
  EXPECT_TRUE(make_tls({tests::localhost_certificate, tests::localhost_key}));
  EXPECT_EQ(make_tls({"", ""}).error().code, core::errc::invalid);
  EXPECT_EQ(make_tls({tests::localhost_certificate, "no key"}).error().code, core::errc::invalid);
  EXPECT_EQ(make_tls({tests::other_authority_certificate, tests::localhost_key}).error().code, core::errc::invalid);
}

} // namespace
} // namespace fastptm::rpc
