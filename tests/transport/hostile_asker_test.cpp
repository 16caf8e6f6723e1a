// A source that is asked by programs which do not keep to the protocol.
#include <cstring>
#include <gtest/gtest.h>

#include "core/clock.hpp"
#include "core/socket_address.hpp"
#include "tests/transport/rigs.hpp"
#include "transport/ucx/backend.hpp"
#include "transport/ucx/environment.hpp"
#include "transport/ucx/worker.hpp"

namespace fastptm::transport::ucx {

namespace {

// Speaks raw messages to a real source and counts what comes back.
struct HostileAsker : testing::Test {
  HostileAsker() {
    setenv("UCX_TLS", "tcp", 1);
    apply_environment({.allow_cma = false, .net_devices = "lo"});
    name = exports.add({{memory.data(), memory.size()}, -1});
    backend_options options;
    options.incarnation = 5;
    options.secret = "the cluster's";
    options.serving.greeting_us = 300'000;
    source = std::move(*backend::create(options, exports));
    raw = std::move(*worker::create());
    for (unsigned id : {wire::challenge_id, wire::verdict_id, wire::data_id})
      (void)raw->set_handler(id, on_message, this);
    connect();
  }
  ~HostileAsker() override {
    asker->begin_close();
    spin_until([&] { return asker->closed(); });
    asker.reset();
    raw.reset();
    source.reset();
  }

  void connect() {
    asker = std::make_unique<endpoint>();
    const auto address = *core::parse_address("127.0.0.1", source->port());
    ASSERT_TRUE(asker->connect(raw->handle(), address, [this] { ++broken; }));
  }

  static ucs_status_t on_message(void* self, const void* header, size_t header_bytes, void*, size_t data_bytes,
                                 const ucp_am_recv_param_t*) {
    auto& here = *static_cast<HostileAsker*>(self);
    ++here.messages;
    here.payload_bytes += data_bytes;
    if (header_bytes == sizeof(wire::challenge)) std::memcpy(&here.challenged, header, header_bytes);
    if (header_bytes == sizeof(wire::data)) std::memcpy(&here.granted, header, header_bytes);
    if (header_bytes == sizeof(wire::verdict)) std::memcpy(&here.judged, header, header_bytes);
    return UCS_OK;
  }

  template <class Condition> bool spin_until(Condition holds) {
    const auto give_up = core::monotonic_now_us() + 5'000'000;
    while (!holds() && core::monotonic_now_us() < give_up) raw->progress();
    return holds();
  }

  void prove_the_secret() {
    const auto own = make_nonce();
    ASSERT_TRUE(asker->send(wire::hello_id, wire::hello{.connection = 1, .incarnation = 5, .asker = own}));
    ASSERT_TRUE(spin_until([&] { return challenged.session != 0; }));
    const cluster_secret known("the cluster's");
    const auto proven = known.prove("asker", own, challenged.source, challenged.session);
    ASSERT_TRUE(asker->send(wire::answer_id, wire::answer{challenged.session, proven}));
    ASSERT_TRUE(spin_until([&] { return judged.connection != 0; }));
    ASSERT_EQ(judged.error, 0u);
  }

  // An honest node is still served.
  void expect_source_serves() {
    exporter none;
    backend_options options;
    options.secret = "the cluster's";
    const auto honest = std::move(*backend::create(options, none));
    std::atomic<int> served = 0;
    std::vector<std::byte> target(memory.size());
    ASSERT_TRUE(
        honest->fetch({"source", 5, "", "", "127.0.0.1", source->port()},
                      {{name.region, name.generation, 0, target.size()}, {target.data(), target.size()}, 5'000'000},
                      [&](core::result<fetched> got) { served = got ? 1 : -1; }));
    spin_until([&] { return served != 0; });
    EXPECT_EQ(served, 1);
  }

  std::vector<std::byte> memory = std::vector<std::byte>(1 << 20, std::byte{7});
  exporter exports;
  exported name;
  std::unique_ptr<backend> source;
  std::unique_ptr<worker> raw;
  std::unique_ptr<endpoint> asker;
  int broken = 0, messages = 0;
  uint64_t payload_bytes = 0;
  wire::challenge challenged;
  wire::verdict judged;
  wire::data granted;
};

TEST_F(HostileAsker, GetsNothingWithoutASession) {
  for (uint64_t session = 0; session < 100; ++session)
    ASSERT_TRUE(asker->send(wire::fetch_id, wire::fetch{session, 1, 0, {name.region, name.generation, 0, 4096}}));
  expect_source_serves();
  EXPECT_EQ(messages, 0);
}

TEST_F(HostileAsker, GetsNothingBeforeItHasProvenTheSecret) {
  ASSERT_TRUE(asker->send(wire::hello_id, wire::hello{.connection = 1, .incarnation = 5, .asker = make_nonce()}));
  ASSERT_TRUE(spin_until([&] { return challenged.session != 0; }));
  for (int i = 0; i < 10; ++i)
    ASSERT_TRUE(
        asker->send(wire::fetch_id, wire::fetch{challenged.session, 1, 0, {name.region, name.generation, 0, 4096}}));
  ASSERT_TRUE(asker->send(wire::answer_id, wire::answer{challenged.session, {}}));
  ASSERT_TRUE(spin_until([&] { return judged.connection != 0; }));
  EXPECT_EQ(judged.error, static_cast<uint64_t>(core::errc::permission_denied));
  ASSERT_TRUE(
      asker->send(wire::fetch_id, wire::fetch{challenged.session, 1, 0, {name.region, name.generation, 0, 4096}}));
  expect_source_serves();
  EXPECT_EQ(payload_bytes, 0u);
}

TEST_F(HostileAsker, LearnsNoAddressBeforeItHasProvenTheSecret) {
  ASSERT_TRUE(asker->send(wire::hello_id, wire::hello{.connection = 1, .incarnation = 5, .asker = make_nonce()}));
  ASSERT_TRUE(spin_until([&] { return challenged.session != 0; }));
  const auto before = messages;
  ASSERT_TRUE(
      asker->send(wire::fetch_id, wire::fetch{challenged.session, 1, 1, {name.region, name.generation, 0, 4096}}));
  ASSERT_TRUE(asker->send(wire::release_id, wire::release{challenged.session, 1}));
  expect_source_serves();
  EXPECT_EQ(messages, before);
}

TEST_F(HostileAsker, CannotPlayBackTheSourcesOwnProof) {
  ASSERT_TRUE(asker->send(wire::hello_id, wire::hello{.connection = 1, .incarnation = 5, .asker = make_nonce()}));
  ASSERT_TRUE(spin_until([&] { return challenged.session != 0; }));
  ASSERT_TRUE(asker->send(wire::answer_id, wire::answer{challenged.session, challenged.proven}));
  ASSERT_TRUE(spin_until([&] { return judged.connection != 0; }));
  EXPECT_EQ(judged.error, static_cast<uint64_t>(core::errc::permission_denied));
}

TEST_F(HostileAsker, IsToldThatItSpeaksAnotherVersion) {
  ASSERT_TRUE(asker->send(wire::hello_id, wire::hello{.version = 99, .connection = 1, .incarnation = 5}));
  ASSERT_TRUE(spin_until([&] { return judged.connection != 0; }));
  EXPECT_EQ(judged.error, static_cast<uint64_t>(core::errc::version_mismatch));
}

TEST_F(HostileAsker, KeepsARangeOnlyUntilItReleasesIt) {
  prove_the_secret();
  const remote_range range{name.region, name.generation, 0, 4096};
  ASSERT_TRUE(asker->send(wire::fetch_id, wire::fetch{challenged.session, 1, 1, range}));
  ASSERT_TRUE(spin_until([&] { return granted.address != 0; }));
  std::atomic<bool> withdrawn = false;
  exports.withdraw(name, [&] { withdrawn = true; });
  EXPECT_FALSE(withdrawn);
  ASSERT_TRUE(asker->send(wire::release_id, wire::release{challenged.session, 1}));
  EXPECT_TRUE(spin_until([&] { return withdrawn.load(); }));
}

TEST_F(HostileAsker, CannotKeepARangeByHanging) {
  prove_the_secret();
  const remote_range range{name.region, name.generation, 0, 4096};
  ASSERT_TRUE(asker->send(wire::fetch_id, wire::fetch{challenged.session, 1, 1, range}));
  ASSERT_TRUE(spin_until([&] { return granted.address != 0; }));
  std::atomic<bool> withdrawn = false;
  exports.withdraw(name, [&] { withdrawn = true; });
  EXPECT_TRUE(spin_until([&] { return withdrawn.load(); })) << "its time is over";
}

TEST_F(HostileAsker, DoesNoHarmWithShortAndUnknownMessages) {
  for (unsigned id : {0u, 1u, 2u, 3u, 4u, 5u, 6u, 7u, 8u, 9u, 15u, 16u, 31u, 32u, 63u, 64u, 127u, 128u, 1000u}) {
    ASSERT_TRUE(asker->send(id, uint8_t{1}));
    ASSERT_TRUE(asker->send(id, wire::data{1, 2}));
  }
  expect_source_serves();
}

TEST_F(HostileAsker, IsCutOffWhenItNeverGreets) {
  ASSERT_TRUE(asker->send(30, uint8_t{1})); // connects, and says nothing more
  EXPECT_TRUE(spin_until([&] { return broken > 0; }));
  expect_source_serves();
}

} // namespace

} // namespace fastptm::transport::ucx
