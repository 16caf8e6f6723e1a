// Connections of tenants: how many, how long, and that they end with their token.
#include "rpc/connections.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "clients/cpp/connection.hpp"
#include "tests/rpc/fake_cluster.hpp"
#include "tests/support/until.hpp"

namespace fastptm::rpc {
namespace {

using testing::HasSubstr;

constexpr core::duration_us patience_us = 20'000'000;

TEST(Connections, OfTenantsStayOpenBeyondTheLoginTime) {
  auto options = fake_cluster::default_options();
  options.limits.login_timeout_us = 1'000'000;
  const fake_cluster cluster(options);
  auto client = cluster.connect();
  ASSERT_TRUE(client) << client.error().message;
  (*client)->run_until(core::monotonic_now_us() + 1'500'000);
  EXPECT_EQ(*(*client)->ping(1), 1u);
}

TEST(Connections, OfOneTenantLeaveRoomForAnother) {
  const fake_cluster cluster;
  const auto loop = clients::make_event_loop();
  std::vector<std::unique_ptr<clients::tenant_client>> idle;
  for (int i = 0; i < 6; ++i) idle.push_back(*cluster.connect(acme_token, loop));
  const auto more = cluster.connect(acme_token, loop);
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code, core::errc::quota_exceeded);
  EXPECT_THAT(more.error().message, HasSubstr("close some"));
  auto other = cluster.connect(globex_token, loop);
  ASSERT_TRUE(other) << other.error().message;
  EXPECT_EQ(*(*other)->ping(1), 1u);
  idle.pop_back();
  EXPECT_TRUE(tests::until([&] { return cluster.connect(acme_token, loop).has_value(); })) << "a place comes back";
}

TEST(Connections, OfOneTenantAreNoOthers) {
  const fake_cluster cluster;
  clients::connection link(clients::make_event_loop());
  ASSERT_TRUE(link.connect(cluster.addresses().gateway, patience_us));
  const auto log_in = [&](const char* token) {
    auto request = link.bootstrap<schema::Gateway>().loginRequest();
    request.setToken(token);
    return link.finish(request.send(), patience_us);
  };
  EXPECT_TRUE(log_in(acme_token));
  EXPECT_TRUE(log_in(acme_token));
  const auto another = log_in(globex_token);
  ASSERT_FALSE(another);
  EXPECT_EQ(another.error().code, core::errc::invalid);
}

// -- their tokens -----------------------------------------------------------------------------------------------------

class Tokens : public testing::Test {
protected:
  void become(std::vector<tenant_token> tokens) {
    cluster_.told().tokens = std::move(tokens);
    auto admin = cluster_.connect_admin(admin_token, loop_);
    ASSERT_TRUE(admin) << admin.error().message;
    const auto done = (*admin)->read_tokens_again();
    ASSERT_TRUE(done) << done.error().message;
  }

  auto connect(const char* token) const { return cluster_.connect(token, loop_); }

  // What comes of a use of a capability that was had before.
  core::result<uint64_t> use(clients::tenant_client& client) { return client.ping(5); }

  fake_cluster cluster_;
  const std::shared_ptr<clients::event_loop> loop_ = clients::make_event_loop();
};

TEST_F(Tokens, AreOfNoUseOnceTheyAreRevoked) {
  auto client = connect(acme_token);
  ASSERT_EQ(*use(**client), 5u);
  become({{"globex", globex_token, {}}});
  EXPECT_FALSE(use(**client)) << "the capability was had before";
  EXPECT_EQ(connect(acme_token).error().code, core::errc::permission_denied);
  EXPECT_TRUE(connect(globex_token));
}

TEST_F(Tokens, OfOthersStayGoodWhenOneIsRevoked) {
  auto client = connect(acme_token);
  become({{"acme", acme_token, {}}});
  EXPECT_EQ(*use(**client), 5u) << "on the same connection";
  EXPECT_FALSE(connect(globex_token));
}

TEST_F(Tokens, MayBeTwoForAWhile) {
  auto old_client = connect(acme_token);
  become({{"acme", "token-of-acme-two", {}}, {"acme", acme_token, 1'000'000}});
  auto fresh_client = connect("token-of-acme-two");
  ASSERT_TRUE(fresh_client) << fresh_client.error().message;
  EXPECT_TRUE(tests::until([&] { return !use(**old_client); }));
  EXPECT_EQ(connect(acme_token).error().code, core::errc::permission_denied);
  EXPECT_EQ(*use(**fresh_client), 5u);
}

} // namespace
} // namespace fastptm::rpc
