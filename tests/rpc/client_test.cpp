// A client whose cluster comes late, breaks, is restarted elsewhere, or refuses for a while.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/rpc/fake_cluster.hpp"

namespace fastptm::rpc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr core::duration_us second_us = 1'000'000;

class Client : public testing::Test {
protected:
  // Of a cluster whose head is started again at another address.
  std::unique_ptr<clients::tenant_client> open(bool waits_when_refused = true) {
    return clients::tenant_client::open({.address = {},
                                         .token = acme_token,
                                         .loop = nullptr,
                                         .find_address = [this]() -> core::result<std::string> {
                                           ++looked_;
                                           if (cluster_ == nullptr)
                                             return core::fail(core::errc::unavailable, "being started");
                                           return cluster_->addresses().gateway;
                                         },
                                         .waits_when_refused = waits_when_refused});
  }

  clients::answer ask(clients::tenant_client& client, core::duration_us deadline_us, int32_t id = 7) {
    clients::answer out;
    start(client, deadline_us, id, out);
    finish(client);
    return out;
  }
  static void start(clients::tenant_client& client, core::duration_us deadline_us, int32_t id, clients::answer& out) {
    clients::input what;
    what.ids = {id};
    client.infer("m", core::task_kind::embed, what, deadline_us, [&](clients::answer got) { out = std::move(got); });
  }
  static void finish(clients::tenant_client& client) {
    const auto end_us = core::monotonic_now_us() + 20 * second_us;
    while (client.pending() > 0 && core::monotonic_now_us() < end_us) client.run_until_answer(end_us);
    EXPECT_EQ(client.pending(), 0u);
  }
  // Until the cluster's tenant has seen so many requests.
  bool seen(clients::tenant_client& client, uint32_t inferences) {
    const auto end_us = core::monotonic_now_us() + 20 * second_us;
    while (cluster_->told().inferences < inferences && core::monotonic_now_us() < end_us)
      client.run_until(core::monotonic_now_us() + 1000);
    return cluster_->told().inferences >= inferences;
  }

  std::unique_ptr<fake_cluster> cluster_ = std::make_unique<fake_cluster>();
  int looked_ = 0;
};

TEST_F(Client, WaitsForAClusterThatIsBeingStarted) {
  auto starting = std::move(cluster_);
  auto client = open();
  clients::answer got;
  start(*client, 10 * second_us, 7, got);
  client->run_until(core::monotonic_now_us() + 50'000);
  EXPECT_EQ(client->pending(), 1u);
  cluster_ = std::move(starting);
  finish(*client);
  EXPECT_EQ(got.status, "ok");
  EXPECT_GT(looked_, 1);
}

TEST_F(Client, IsUnavailableWhenTheDeadlinePassesAndNotBefore) {
  cluster_ = nullptr;
  auto client = open();
  const auto began_us = core::monotonic_now_us();
  const auto got = ask(*client, 300'000);
  const auto took_us = core::monotonic_now_us() - began_us;
  EXPECT_EQ(got.status, "unavailable");
  EXPECT_THAT(got.error, HasSubstr("being started"));
  EXPECT_GE(took_us, 300'000);
  EXPECT_LT(took_us, 5 * second_us);
}

TEST_F(Client, RepeatsWhatABrokenConnectionHasLost) {
  auto client = open();
  cluster_->told().silent = true;
  std::vector<clients::answer> got(20);
  for (size_t i = 0; i < got.size(); ++i) start(*client, 10 * second_us, static_cast<int32_t>(i), got[i]);
  ASSERT_TRUE(seen(*client, 20));
  cluster_ = nullptr; // with all of them under way
  cluster_ = std::make_unique<fake_cluster>();
  finish(*client);
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].status, "ok") << got[i].error;
    EXPECT_THAT(got[i].output, ElementsAre(static_cast<float>(i)));
    EXPECT_EQ(got[i].tries, 2u);
  }
}

TEST_F(Client, OfAWrongTokenIsToldSoAtOnce) {
  auto client =
      clients::tenant_client::open({.address = cluster_->addresses().gateway, .token = "wrong", .loop = nullptr});
  const auto began_us = core::monotonic_now_us();
  EXPECT_EQ(ask(*client, 20 * second_us).status, "permission_denied");
  EXPECT_LT(core::monotonic_now_us() - began_us, 5 * second_us);
}

TEST_F(Client, ThatIsRefusedWithAHintComesAgain) {
  auto client = open();
  cluster_->told().refusals = 2;
  const auto got = ask(*client, 10 * second_us);
  EXPECT_EQ(got.status, "ok") << got.error;
  EXPECT_EQ(got.tries, 3u);
}

TEST_F(Client, ThatMeasuresIsToldOfRefusals) {
  auto client = open(false);
  cluster_->told().refusals = 1;
  const auto got = ask(*client, 10 * second_us);
  EXPECT_EQ(got.status, "quota_exceeded");
  EXPECT_EQ(got.retry_after_us, 5000u);
  EXPECT_EQ(got.tries, 1u);
}

TEST_F(Client, UsesOneKeyForAllTriesOfARequestAndAnotherForTheNext) {
  auto client = open();
  cluster_->told().refusals = 1;
  ask(*client, 10 * second_us);
  ask(*client, 10 * second_us);
  const auto keys = cluster_->told().keys;
  ASSERT_EQ(keys.size(), 3u);
  EXPECT_EQ(keys[0].size(), 16u);
  EXPECT_EQ(keys[0], keys[1]);
  EXPECT_NE(keys[1], keys[2]);
}

TEST_F(Client, CountsItsDeadlineFromTheCall) {
  auto starting = std::move(cluster_);
  auto client = open();
  clients::answer got;
  start(*client, 10 * second_us, 7, got);
  client->run_until(core::monotonic_now_us() + 300'000);
  cluster_ = std::move(starting);
  finish(*client);
  ASSERT_EQ(cluster_->told().deadlines.size(), 1u);
  EXPECT_LE(cluster_->told().deadlines[0], 10 * second_us - 300'000) << "what connecting took is gone";
  EXPECT_GT(cluster_->told().deadlines[0], 0);
}

TEST_F(Client, TakesTheClustersDeadlineWhereItNamesNone) {
  auto client = open();
  ask(*client, 0);
  ASSERT_EQ(cluster_->told().deadlines.size(), 1u);
  EXPECT_LE(cluster_->told().deadlines[0], fake_cluster::default_options().gateway.default_deadline_us);
  EXPECT_GT(cluster_->told().deadlines[0], 0);
}

TEST_F(Client, ThatGoesTakesItsRequestsAlong) {
  cluster_->told().silent = true;
  auto client = open();
  std::vector<clients::answer> got(50);
  for (auto& each : got) start(*client, 10 * second_us, 7, each);
  ASSERT_TRUE(seen(*client, 50));
  client.reset();
  auto other = cluster_->connect();
  const auto end_us = core::monotonic_now_us() + 20 * second_us;
  while (cluster_->told().cancelled < 50 && core::monotonic_now_us() < end_us) ASSERT_TRUE((*other)->ping(1));
  EXPECT_EQ(cluster_->told().cancelled, 50u);
}

TEST_F(Client, FindsTheVersionThatIsLeftWhenTheNewestIsTakenBack) {
  auto client = open();
  EXPECT_EQ(ask(*client, 10 * second_us).status, "ok");
  cluster_->told().gone = "acme/m@2"; // known to the client as the newest
  const auto taken = client->unpublish("acme/m@2", false);
  ASSERT_TRUE(taken) << taken.error().message;
  EXPECT_THAT(taken->models, ElementsAre("acme/m@2"));
  EXPECT_EQ(taken->freed_bytes, 4096u);
  EXPECT_EQ(ask(*client, 10 * second_us).status, "ok");
  EXPECT_EQ(cluster_->told().last_model, "acme/m@1");
}

TEST_F(Client, SendsNothingThatWouldEndItsConnection) {
  auto client = open();
  clients::answer large, small;
  clients::input what;
  what.ids.assign(2'000'000, 7);
  start(*client, 10 * second_us, 7, small);
  client->infer("m", core::task_kind::embed, what, 10 * second_us,
                [&](clients::answer got) { large = std::move(got); });
  finish(*client);
  EXPECT_EQ(large.status, "invalid");
  EXPECT_THAT(large.error, HasSubstr("bytes"));
  EXPECT_EQ(small.status, "ok");
  EXPECT_EQ(looked_, 1);
}

TEST_F(Client, PassesOnWhyAModelCannotBeTakenBack) {
  auto client = open();
  const auto refused = client->unpublish("acme/used@1", false);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, core::errc::busy);
  EXPECT_THAT(refused.error().message, HasSubstr("already"));
}

// No model that generates is served yet; the double sends what one would.
TEST_F(Client, TakesPartsInOrderAheadOfTheAnswerThatHasEverything) {
  auto client = open();
  std::vector<int32_t> parts;
  size_t parts_at_answer = 0;
  clients::answer got;
  clients::input what;
  what.ids = {5, 6, 7, 8};
  client->infer(
      "m", core::task_kind::embed, what, second_us,
      [&](clients::answer all) {
        got = std::move(all);
        parts_at_answer = parts.size();
      },
      [&](const clients::answer_part& part) {
        EXPECT_EQ(part.first, parts.size());
        parts.insert(parts.end(), part.ids.begin(), part.ids.end());
      });
  finish(*client);
  EXPECT_EQ(got.status, "ok");
  EXPECT_EQ(parts, what.ids);
  EXPECT_EQ(parts_at_answer, what.ids.size());
}

} // namespace
} // namespace fastptm::rpc
