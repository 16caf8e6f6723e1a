// The gateway over real sockets, in front of doubles of the actors.
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rpc/same_secret.hpp"
#include "tests/rpc/fake_cluster.hpp"
#include "tests/support/http_get.hpp"

namespace fastptm::rpc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr core::duration_us patience_us = 20'000'000;

clients::input of_ids(std::vector<int32_t> ids) {
  clients::input out;
  out.ids = std::move(ids);
  return out;
}

clients::input of_text(std::string text) {
  clients::input out;
  out.text = std::move(text);
  out.is_text = true;
  return out;
}

clients::answer ask(clients::tenant_client& client, const std::string& model, const clients::input& what,
                    core::duration_us deadline_us = 10'000'000, core::task_kind task = core::task_kind::embed) {
  clients::answer out;
  client.infer(model, task, what, deadline_us, [&](clients::answer got) { out = std::move(got); });
  while (client.pending() > 0) client.run_until_answer(core::monotonic_now_us() + patience_us);
  return out;
}

// -- login ------------------------------------------------------------------------------------------------------------

TEST(Gateway, RefusesAnUnknownToken) {
  const fake_cluster cluster;
  const auto client = cluster.connect("wrong");
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, core::errc::permission_denied);
}

TEST(Gateway, EveryByteOfATokenCounts) {
  const fake_cluster cluster;
  EXPECT_FALSE(cluster.connect(std::string("\0", 1)));
  EXPECT_FALSE(cluster.connect(acme_token + std::string("\0x", 2)));
  EXPECT_FALSE(cluster.connect_admin(std::string(admin_token) + std::string("\0", 1)));
}

TEST(SameSecret, IsNeverAnEmptyOne) {
  EXPECT_FALSE(same_secret("", ""));
  EXPECT_TRUE(same_secret("a", "a"));
  EXPECT_FALSE(same_secret("a", "b"));
}

TEST(Gateway, TheOperatorsTokenIsNoTenants) {
  const fake_cluster cluster;
  EXPECT_FALSE(cluster.connect(admin_token));
  EXPECT_FALSE(cluster.connect_admin(acme_token));
  EXPECT_TRUE(cluster.connect_admin());
}

// -- requests ---------------------------------------------------------------------------------------------------------

TEST(Gateway, CarriesIdsToTheTenantAndItsAnswerBack) {
  const fake_cluster cluster;
  auto client = cluster.connect();
  ASSERT_TRUE(client) << client.error().message;
  const auto got = ask(**client, "acme/m@1", of_ids({3, 1, 4}));
  EXPECT_EQ(got.status, "ok");
  EXPECT_THAT(got.output, ElementsAre(3, 1, 4));
  EXPECT_EQ(got.node, "worker-0/host0");
}

TEST(Gateway, FindsModelsByShortNameAndNewestVersion) {
  fake_cluster cluster;
  auto client = cluster.connect();
  for (const auto* name : {"acme/m@1", "acme/m", "m", "m@2"})
    EXPECT_EQ(ask(**client, name, of_ids({1})).status, "ok") << name;
  EXPECT_EQ(ask(**client, "acme/m@3", of_ids({1})).status, "not_found");
  EXPECT_EQ(ask(**client, "globex/m@1", of_ids({1})).status, "permission_denied");
  EXPECT_EQ(cluster.told().inferences, 4u);
}

TEST(Gateway, RefusesInputsThatCanNeverBeAnswered) {
  fake_cluster cluster;
  auto client = cluster.connect();
  EXPECT_EQ(ask(**client, "m", of_ids({})).status, "invalid");
  EXPECT_EQ(ask(**client, "m", of_ids({1, 2, 3, 4, 5, 6, 7, 8, 9})).status, "invalid");
  EXPECT_EQ(ask(**client, "m", of_ids({100})).status, "invalid");
  EXPECT_EQ(ask(**client, "m", of_ids({-1})).status, "invalid");
  auto typed = of_ids({1, 2});
  typed.token_types = {0};
  EXPECT_EQ(ask(**client, "m", typed).status, "invalid");
  typed.token_types = {0, 2};
  EXPECT_EQ(ask(**client, "m", typed).status, "invalid");
  EXPECT_EQ(ask(**client, "m", of_text("")).status, "invalid");
  EXPECT_EQ(ask(**client, "m", of_text(std::string(101, 'x'))).status, "invalid");
  EXPECT_EQ(ask(**client, "m", of_ids({1}), 10'000'000, core::task_kind::classify).status, "invalid"); // it embeds
  EXPECT_EQ(cluster.told().inferences, 0u);
}

TEST(Gateway, AModelWithoutTokenizerRefusesTexts) {
  const fake_cluster cluster;
  auto client = cluster.connect();
  const auto got = ask(**client, "m", of_text("hello"));
  EXPECT_EQ(got.status, "invalid");
  EXPECT_THAT(got.error, HasSubstr("token ids"));
}

TEST(Gateway, ARequestEndsThoughItsTenantNeverAnswers) {
  fake_cluster cluster;
  cluster.told().silent = true;
  auto client = cluster.connect();
  const auto start_us = core::monotonic_now_us();
  const auto got = ask(**client, "m", of_ids({1}), 100'000);
  EXPECT_EQ(got.status, "deadline_exceeded");
  EXPECT_LT(core::monotonic_now_us() - start_us, 5'000'000);
}

TEST(Gateway, AnswersThousandsOfRequestsOnOneConnection) {
  fake_cluster cluster;
  auto client = cluster.connect();
  size_t good = 0;
  for (int i = 0; i < 2000; ++i) {
    (*client)->infer("m", core::task_kind::embed, of_ids({i % 100}), 20'000'000, [&, i](const clients::answer& got) {
      good += got.status == "ok" && got.output.at(0) == static_cast<float>(i % 100);
    });
  }
  const auto end_us = core::monotonic_now_us() + patience_us;
  while ((*client)->pending() > 0 && core::monotonic_now_us() < end_us) (*client)->run_until_answer(end_us);
  EXPECT_EQ(good, 2000u);
}

TEST(Gateway, PingGoesThroughTheTenant) {
  const fake_cluster cluster;
  auto client = cluster.connect();
  EXPECT_EQ(*(*client)->ping(42), 42u);
  EXPECT_EQ((*client)->ping_many(500, 16)->size(), 500u);
}

// -- uploads ----------------------------------------------------------------------------------------------------------

class Uploads : public testing::Test {
protected:
  Uploads() {
    file_ = cluster_.spool() / "source.bin";
    std::ofstream(file_, std::ios::binary) << std::string(3'000'000, 'x');
  }

  // How many folders wait in the spool.
  size_t folders() const {
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(cluster_.spool())) count += entry.is_directory();
    return count;
  }

  fake_cluster cluster_;
  std::filesystem::path file_;
};

TEST_F(Uploads, StreamFilesAndPublishThem) {
  auto client = cluster_.connect();
  uint64_t seen = 0;
  const auto done =
      (*client)->publish("fresh", {{file_, "model.safetensors", 3'000'000}, {file_, "1_Pooling/config.json", 100}},
                         [&](uint64_t sent) { seen = sent; });
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->model, "acme/fresh@1");
  EXPECT_EQ(seen, 3'000'100u);
  EXPECT_EQ(cluster_.told().last_folder_bytes, 3'000'100u);
}

TEST_F(Uploads, CarryTheChoiceForSpecialTokens) {
  auto client = cluster_.connect();
  ASSERT_TRUE((*client)->publish("fresh", {{file_, "a", 10}}, {}, clients::special_tokens::text));
  EXPECT_TRUE(cluster_.told().last_special_is_text);
  ASSERT_TRUE((*client)->publish("fresh", {{file_, "a", 10}}, {}));
  EXPECT_FALSE(cluster_.told().last_special_is_text);
}

TEST_F(Uploads, LeaveNothingInTheSpool) {
  {
    auto client = cluster_.connect();
    ASSERT_TRUE((*client)->publish("fresh", {{file_, "a", 10}}, {}));
    ASSERT_FALSE((*client)->publish("bad", {{file_, "a", 10}}, {}));
  }
  // Folders go with the last capability, which the gateway drops when it sees the connection end.
  auto again = cluster_.connect();
  const auto end_us = core::monotonic_now_us() + patience_us;
  while (folders() > 0 && core::monotonic_now_us() < end_us) ASSERT_TRUE((*again)->ping(1));
  EXPECT_EQ(folders(), 0u);
}

TEST_F(Uploads, PassOnWhyTheStoreRefused) {
  auto client = cluster_.connect();
  const auto done = (*client)->publish("bad", {{file_, "a", 10}}, {});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, core::errc::invalid);
  EXPECT_THAT(done.error().message, HasSubstr("NaN"));
}

TEST_F(Uploads, RefuseNamesThatLeadOut) {
  auto client = cluster_.connect();
  for (const auto* name : {"../a", "/etc/a", "a/b/c", "a/../b", "", ".", "a/"}) {
    const auto done = (*client)->publish("fresh", {{file_, name, 10}}, {});
    ASSERT_FALSE(done) << name;
    EXPECT_EQ(done.error().code, core::errc::invalid) << name;
  }
  EXPECT_EQ(cluster_.told().publications, 0u);
}

TEST_F(Uploads, RefuseMoreThanTheBound) {
  auto client = cluster_.connect();
  const auto done = (*client)->publish("fresh", {{file_, "a", uint64_t{9} << 20}}, {});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, core::errc::quota_exceeded);
}

TEST_F(Uploads, RefuseModelNamesThatAreNone) {
  auto client = cluster_.connect();
  for (const auto* name : {"", "a b", "a/b", "../a", "a\x1b[2J", "-x", "_x", ".x"})
    EXPECT_FALSE((*client)->publish(name, {{file_, "a", 1}}, {})) << name;
  EXPECT_EQ(cluster_.told().publications, 0u);
}

TEST_F(Uploads, NoticeAFileThatHasShrunk) {
  auto client = cluster_.connect();
  const auto done = (*client)->publish("fresh", {{file_, "a", 3'000'001}}, {});
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message, HasSubstr("shorter"));
}

// -- http -------------------------------------------------------------------------------------------------------------

TEST(Http, ServesMetricsAndHealth) {
  fake_cluster cluster;
  auto client = cluster.connect();
  ask(**client, "m", of_ids({1}));
  const auto page = tests::http_get(cluster.addresses().http, "/metrics");
  EXPECT_THAT(page, HasSubstr("200 OK"));
  EXPECT_THAT(page, HasSubstr("fastptm_rpc_requests_total 1"));
  EXPECT_THAT(tests::http_get(cluster.addresses().http, "/healthz"), HasSubstr("200 OK"));
  EXPECT_THAT(tests::http_get(cluster.addresses().http, "/nothing"), HasSubstr("404"));
}

TEST(FrontEnd, SaysWhichPortIsTaken) {
  const fake_cluster first;
  auto options = fake_cluster::default_options();
  const auto taken = first.addresses().gateway;
  options.port = static_cast<uint16_t>(std::stoi(taken.substr(taken.rfind(':') + 1)));
  caf::actor_system_config settings;
  caf::actor_system system(settings);
  core::metrics_registry metrics;
  const auto second = front_end::start(system, {}, options, metrics);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, HasSubstr(std::to_string(options.port)));
}

} // namespace
} // namespace fastptm::rpc
