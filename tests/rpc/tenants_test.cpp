// One tenant that does what the protocol allows as fast as it can, and another beside it.
#include <capnp/rpc-twoparty.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <kj/async-io.h>

#include "schemas/serving.capnp.h"
#include "tests/rpc/fake_cluster.hpp"
#include "tests/support/deaf_stream.hpp"
#include "tests/support/until.hpp"

namespace fastptm::rpc {
namespace {

using testing::HasSubstr;

// A client that uses the protocol as it likes.
class raw_client {
public:
  raw_client(kj::AsyncIoContext& io, const fake_cluster& cluster, const char* token) : io_(io) {
    auto address = io.provider->getNetwork().parseAddress(cluster.addresses().gateway.c_str()).wait(io.waitScope);
    stream_ = kj::heap<tests::deaf_stream>(address->connect().wait(io.waitScope));
    rpc_ = kj::heap<capnp::TwoPartyClient>(*stream_);
    auto login = rpc_->bootstrap().castAs<schema::Gateway>().loginRequest();
    login.setToken(token);
    tenant_ = login.send().wait(io.waitScope).getTenant();
  }
  schema::Tenant::Client& tenant() { return tenant_; }
  tests::deaf_stream& stream() { return *stream_; }

  auto model(std::string_view name) {
    auto request = tenant().modelRequest();
    request.setFullName(capnp::Text::Reader(name.data(), name.size()));
    return request.send();
  }
  schema::Upload::Client publish() {
    auto request = tenant().publishRequest();
    request.setModelName("fresh");
    auto response = request.send().wait(io_.waitScope);
    last_ = response.getOutcome().getStatus();
    return response.getUpload();
  }
  // The status of the last of these.
  schema::Status last() const { return last_; }
  schema::Writer::Client file(schema::Upload::Client& in, std::string_view path, uint64_t size_bytes) {
    auto request = in.fileRequest();
    request.setPath(capnp::Text::Reader(path.data(), path.size()));
    request.setSizeBytes(size_bytes);
    auto response = request.send().wait(io_.waitScope);
    last_ = response.getOutcome().getStatus();
    return response.getWriter();
  }
  void write(schema::Writer::Client& to, size_t bytes) {
    auto request = to.writeRequest();
    request.initData(static_cast<unsigned>(bytes));
    request.send().wait(io_.waitScope);
    auto done = to.doneRequest().send().wait(io_.waitScope);
    last_ = done.getOutcome().getStatus();
  }
  std::string finish(schema::Upload::Client& upload) {
    auto response = upload.finishRequest().send().wait(io_.waitScope);
    last_ = response.getOutcome().getStatus();
    return response.getOutcome().getError().cStr();
  }
  void ping() { tenant().pingRequest().send().wait(io_.waitScope); }

private:
  kj::AsyncIoContext& io_;
  kj::Own<tests::deaf_stream> stream_;
  kj::Own<capnp::TwoPartyClient> rpc_;
  schema::Tenant::Client tenant_ = nullptr;
  schema::Status last_ = schema::Status::OK;
};

class Tenants : public testing::Test {
public:
  ~Tenants() noexcept override {}

protected:
  kj::AsyncIoContext io_ = kj::setupAsyncIo();
};

bool holds_reads(fake_cluster& cluster) {
  const auto text = cluster.metrics().exposition();
  return text.find("fastptm_rpc_held_reads_total{tenant=\"acme\"} ") != text.npos &&
         text.find("fastptm_rpc_held_reads_total{tenant=\"acme\"} 0") == text.npos;
}

TEST_F(Tenants, WhoDoesNotReadItsAnswersIsNotReadEither) {
  fake_cluster cluster;
  protocol::load_report report;
  report.model = "acme/m@1";
  report.error = std::string(400, 'x');
  cluster.told().loads.rows.assign(1'000, report);
  raw_client greedy(io_, cluster, acme_token), other(io_, cluster, globex_token);
  greedy.stream().stop_reading();
  std::vector<kj::Promise<void>> asked;
  for (int i = 0; i < 2'000; ++i) {
    auto request = greedy.tenant().loadsRequest();
    request.setLast(UINT32_MAX);
    asked.push_back(request.send().ignoreResult());
  }
  ASSERT_TRUE(tests::until([&] {
    other.ping();
    return holds_reads(cluster);
  }));
  for (int i = 0; i < 200; ++i) other.ping();
  EXPECT_LT(cluster.told().load_lists, 200u);
}

TEST_F(Tenants, CallsInProgressAreBoundedOverAllConnectionsOfOne) {
  auto options = fake_cluster::default_options();
  options.gateway.bounds.calls = 10;
  fake_cluster cluster(std::move(options));
  cluster.told().holds_pings = true;
  raw_client one(io_, cluster, acme_token), two(io_, cluster, acme_token), other(io_, cluster, globex_token);
  std::vector<kj::Promise<void>> asked;
  for (int i = 0; i < 100; ++i) {
    asked.push_back(one.tenant().pingRequest().send().ignoreResult());
    asked.push_back(two.tenant().pingRequest().send().ignoreResult());
  }
  ASSERT_TRUE(tests::until([&] {
    other.ping();
    return cluster.told().pings >= 10 && holds_reads(cluster);
  }));
  for (int i = 0; i < 100; ++i) other.ping();
  EXPECT_LE(cluster.told().pings, 20u) << "soft by some messages a connection";
}

TEST_F(Tenants, ModelsThatAreKeptAreBoundedAndComeBackWhenTheyAreDropped) {
  auto options = fake_cluster::default_options();
  options.gateway.bounds.handles = 50;
  fake_cluster cluster(std::move(options));
  raw_client greedy(io_, cluster, acme_token), other(io_, cluster, globex_token);
  {
    std::vector<capnp::Response<schema::Tenant::ModelResults>> kept;
    size_t refused = 0;
    for (int i = 0; i < 100; ++i) {
      kept.push_back(greedy.model("m").wait(io_.waitScope));
      refused += kept.back().getOutcome().getStatus() == schema::Status::QUOTA_EXCEEDED;
    }
    EXPECT_EQ(refused, 51u) << "the login holds one";
  }
  EXPECT_TRUE(tests::until(
      [&] { return greedy.model("m").wait(io_.waitScope).getOutcome().getStatus() == schema::Status::OK; }));
}

TEST_F(Tenants, WhoNeverFinishesItsCallsIsCutOff) {
  auto options = fake_cluster::default_options();
  options.gateway.bounds.unfinished = 300;
  fake_cluster cluster(std::move(options));
  raw_client greedy(io_, cluster, acme_token), other(io_, cluster, globex_token);
  for (int i = 0; i < 1'000; ++i) greedy.ping(); // read and finished
  std::vector<capnp::Response<schema::Tenant::PingResults>> kept;
  const auto trouble = kj::runCatchingExceptions([&] {
    for (int i = 0; i < 400; ++i) kept.push_back(greedy.tenant().pingRequest().send().wait(io_.waitScope));
  });
  EXPECT_NEAR(static_cast<double>(kept.size()), 300, 2);
  EXPECT_TRUE(trouble != nullptr);
  other.ping();
}

TEST_F(Tenants, NamesWithAZeroInThemAreNotCutThere) {
  fake_cluster cluster;
  raw_client client(io_, cluster, acme_token);
  using namespace std::string_view_literals;
  const auto found = client.model("acme/m@1\0x"sv).wait(io_.waitScope);
  EXPECT_EQ(found.getOutcome().getStatus(), schema::Status::NOT_FOUND);
  auto publish = client.tenant().publishRequest();
  publish.setModelName(capnp::Text::Reader("a\0b", 3));
  EXPECT_EQ(publish.send().wait(io_.waitScope).getOutcome().getStatus(), schema::Status::INVALID);
  auto upload = client.publish();
  client.file(upload, "a\0b"sv, 1);
  EXPECT_EQ(client.last(), schema::Status::INVALID);
}

// -- uploads ----------------------------------------------------------------------------------------------------------

TEST_F(Tenants, EmptyUploadsOfOneKeepNobodyElseOut) {
  fake_cluster cluster; // two for each tenant
  raw_client greedy(io_, cluster, acme_token), other(io_, cluster, globex_token);
  auto first = greedy.publish(), second = greedy.publish();
  EXPECT_EQ(greedy.last(), schema::Status::OK);
  const auto third = greedy.publish();
  EXPECT_EQ(greedy.last(), schema::Status::QUOTA_EXCEEDED);
  auto upload = other.publish();
  ASSERT_EQ(other.last(), schema::Status::OK);
  auto writer = other.file(upload, "a", 10);
  other.write(writer, 10);
  EXPECT_EQ(other.finish(upload), "");
}

TEST_F(Tenants, AnnouncedBytesOfAllUploadsAreBounded) {
  fake_cluster cluster; // 8 MiB each, 12 together
  raw_client client(io_, cluster, acme_token);
  auto one = client.publish(), two = client.publish();
  client.file(one, "a", 8 << 20);
  ASSERT_EQ(client.last(), schema::Status::OK);
  client.file(two, "a", 5 << 20);
  EXPECT_EQ(client.last(), schema::Status::QUOTA_EXCEEDED);
  client.file(two, "b", 4 << 20);
  EXPECT_EQ(client.last(), schema::Status::OK);
}

TEST_F(Tenants, AnUploadFromWhichNothingComesEnds) {
  auto options = fake_cluster::default_options();
  options.gateway.spool.idle_us = 50'000;
  fake_cluster cluster(std::move(options));
  raw_client client(io_, cluster, acme_token);
  auto upload = client.publish();
  ASSERT_TRUE(tests::until([&] { return std::filesystem::is_empty(cluster.spool()); }));
  client.file(upload, "a", 1);
  EXPECT_EQ(client.last(), schema::Status::DEADLINE_EXCEEDED);
  EXPECT_THAT(client.finish(upload), HasSubstr("publish again"));
}

TEST_F(Tenants, AFileThatIsShorterThanAnnouncedIsNotPublished) {
  fake_cluster cluster;
  raw_client client(io_, cluster, acme_token);
  auto upload = client.publish();
  const auto silent = client.file(upload, "config.json", 4);
  EXPECT_THAT(client.finish(upload), HasSubstr("4 bytes of its files are missing"));
  EXPECT_EQ(client.last(), schema::Status::INVALID);
  EXPECT_EQ(cluster.told().publications, 0u);
}

TEST_F(Tenants, AFileThatIsLongerThanAnnouncedIsRefusedInWords) {
  fake_cluster cluster;
  raw_client client(io_, cluster, acme_token);
  auto upload = client.publish();
  auto writer = client.file(upload, "config.json", 4);
  client.write(writer, 5);
  EXPECT_EQ(client.last(), schema::Status::INVALID);
  EXPECT_THAT(client.finish(upload), HasSubstr("more bytes than announced"));
  EXPECT_EQ(cluster.told().publications, 0u);
}

} // namespace
} // namespace fastptm::rpc
