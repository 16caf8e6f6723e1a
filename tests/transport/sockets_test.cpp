// A source among strangers and peers that do not keep to the protocol, and an asker of a source that does not.
#include <atomic>
#include <deque>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <thread>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "core/clock.hpp"
#include "core/random.hpp"
#include "tests/support/until.hpp"
#include "tests/transport/raw_peer.hpp"
#include "transport/sockets/backend.hpp"

namespace fastptm::transport::sockets::test {
namespace {

constexpr const char* the_secret = "the cluster's";
constexpr uint64_t incarnation = 5;

size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd"), end;
  return static_cast<size_t>(std::distance(all, end));
}

struct SocketsSource : testing::Test {
  SocketsSource() {
    name = exports.add({{memory.data(), memory.size()}, -1});
    limits.greeting_us = 300'000;
    limits.strangers = 16;
  }
  void start() {
    backend_options options;
    options.node = "source";
    options.incarnation = incarnation;
    options.secret = the_secret;
    options.serving = limits;
    options.metrics = &metrics;
    source = std::move(*backend::create(options, exports));
  }
  raw_peer stranger() const { return raw_peer::connect_to(source->port()); }
  remote_range all() const { return {name.region, name.generation, 0, memory.size()}; }

  // An honest node is served.
  testing::AssertionResult serves() {
    exporter none;
    backend_options options;
    options.node = "honest";
    options.secret = the_secret;
    const auto honest = std::move(*backend::create(options, none));
    std::vector<std::byte> target(memory.size());
    std::promise<core::result<fetched>> ended;
    const auto id =
        honest->fetch({"source", incarnation, "", "", "127.0.0.1", source->port()},
                      {all(), {target.data(), target.size()}, 5'000'000}, [&](auto got) { ended.set_value(got); });
    if (!id) return testing::AssertionFailure() << id.error().message;
    const auto got = ended.get_future().get();
    if (!got) return testing::AssertionFailure() << got.error().message;
    return target == memory ? testing::AssertionSuccess() : testing::AssertionFailure() << "other bytes came";
  }

  std::vector<std::byte> memory = std::vector<std::byte>(8 << 20, std::byte{7});
  serving_limits limits;
  core::metrics_registry metrics;
  exporter exports;
  exported name;
  const cluster_secret secret{the_secret};
  std::unique_ptr<backend> source;
};

TEST_F(SocketsSource, ClosesOnGarbageAndServesOn) {
  start();
  core::prng random(1);
  for (int i = 0; i < 300; ++i) {
    auto who = stranger();
    std::string noise(1 + random.below(4000), '\0');
    for (auto& each : noise) each = static_cast<char>(i % 3 == 0 ? 0xff : random.next());
    who.send(noise);
    if (noise.size() >= sizeof(wire::hello)) {
      EXPECT_TRUE(who.is_closed());
    }
  }
  EXPECT_TRUE(serves());
}

TEST_F(SocketsSource, GivesNothingBeforeTheSecretIsProven) {
  start();
  auto who = stranger();
  who.send(wire::hello{.incarnation = incarnation, .asker = make_nonce(), .name = wire::padded("x")});
  ASSERT_TRUE(who.receive<wire::challenge>());
  message_tags by({}, message_tags::direction::to_source);
  who.send(sealed(by, {.kind = wire::kind::fetch, .id = 1, .range = all()}));
  size_t bytes = 0;
  EXPECT_TRUE(who.is_closed(&bytes));
  EXPECT_EQ(bytes, 0u);
}

TEST_F(SocketsSource, DoesNotTakeItsOwnProofBack) {
  start();
  auto who = stranger();
  who.send(wire::hello{.incarnation = incarnation, .asker = make_nonce(), .name = wire::padded("x")});
  const auto challenged = who.receive<wire::challenge>();
  ASSERT_TRUE(challenged);
  who.send(wire::answer{challenged->proven});
  size_t bytes = 0;
  EXPECT_TRUE(who.is_closed(&bytes));
  EXPECT_EQ(bytes, 0u);
}

TEST_F(SocketsSource, SaysThatItSpeaksAnotherVersion) {
  start();
  auto who = stranger();
  who.send(wire::hello{.version = 99, .incarnation = incarnation});
  const auto told = who.receive<wire::challenge>();
  ASSERT_TRUE(told);
  EXPECT_EQ(told->error, static_cast<uint64_t>(core::errc::version_mismatch));
  EXPECT_TRUE(who.is_closed());
}

TEST_F(SocketsSource, EndsAConversationWhenAByteOfAMessageWasChanged) {
  start();
  for (size_t at = 0; at < sizeof(wire::message); ++at) {
    auto who = stranger();
    auto conversation = prove_the_secret(who, secret, incarnation, "changed");
    ASSERT_TRUE(conversation);
    auto asked = sealed(conversation->given, {.kind = wire::kind::fetch, .id = 1, .range = all()});
    reinterpret_cast<unsigned char*>(&asked)[at] ^= 0x10;
    who.send(asked);
    size_t bytes = 0;
    EXPECT_TRUE(who.is_closed(&bytes)) << "byte " << at;
    EXPECT_EQ(bytes, 0u) << "byte " << at;
  }
}

TEST_F(SocketsSource, EndsAConversationWhenAMessageIsRepeated) {
  start();
  auto who = stranger();
  auto conversation = prove_the_secret(who, secret, incarnation, "repeated");
  ASSERT_TRUE(conversation);
  const auto asked =
      sealed(conversation->given, {.kind = wire::kind::fetch, .id = 1, .range = {name.region, name.generation, 0, 1}});
  who.send(asked);
  who.send(asked);
  size_t bytes = 0;
  EXPECT_TRUE(who.is_closed(&bytes));
  EXPECT_LE(bytes, sizeof(wire::message) + 1) << "it was served once at most";
}

TEST_F(SocketsSource, CutsOffWhoStaysSilent) {
  start();
  auto silent = stranger();
  auto half = stranger();
  half.send(std::string("FPTM"));
  auto proving = stranger();
  proving.send(wire::hello{.incarnation = incarnation, .asker = make_nonce()});
  EXPECT_TRUE(silent.is_closed());
  EXPECT_TRUE(half.is_closed());
  EXPECT_TRUE(proving.is_closed());
}

TEST_F(SocketsSource, IsReachedByItsPeersHoweverManyStrangersStaySilent) {
  limits.greeting_us = 3'600'000'000; // they would stay for ever
  start();
  const auto before = open_descriptors();
  std::deque<raw_peer> strangers;
  for (int i = 0; i < 300; ++i) strangers.push_back(stranger());
  EXPECT_TRUE(serves());
  EXPECT_TRUE(strangers.front().is_closed()) << "the oldest goes";
  EXPECT_LE(open_descriptors(), before + strangers.size() + limits.strangers + 8);
}

TEST_F(SocketsSource, CountsWhatBecameOfThoseWhoConnected) {
  limits.strangers = 2;
  start();
  auto refused = stranger();
  refused.send(std::string(sizeof(wire::hello), 'x'));
  EXPECT_TRUE(refused.is_closed());
  auto crowded = stranger(), silent = stranger(), another = stranger();
  EXPECT_TRUE(crowded.is_closed() && silent.is_closed() && another.is_closed());
  EXPECT_TRUE(serves());
  const auto page = metrics.exposition();
  for (const std::string line :
       {"result=\"refused\"} 1", "result=\"crowded\"} 1", "result=\"silent\"} 2", "result=\"admitted\"} 1"})
    EXPECT_NE(page.find("fastptm_data_connections_total{" + line), page.npos) << page;
}

TEST_F(SocketsSource, WaitsForADescriptorAndServesOn) {
  start();
  rlimit old{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
  std::deque<raw_peer> coming, held; // both are descriptors of this process
  for (int i = 0; i < 3; ++i) coming.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  auto low = old;
  low.rlim_cur = open_descriptors() + 8;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  for (int copy = ::dup(0); copy >= 0; copy = ::dup(0)) held.emplace_back(copy);
  for (auto& each : coming) each.connect(source->port());
  held.clear();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
  EXPECT_TRUE(serves());
}

TEST_F(SocketsSource, KeepsARangeForAReaderOnlyUntilItIsReleased) {
  start();
  auto who = stranger();
  auto conversation = prove_the_secret(who, secret, incarnation, "reader");
  ASSERT_TRUE(conversation);
  who.send(sealed(conversation->given, {.kind = wire::kind::fetch_by_reading, .id = 1, .range = all()}));
  ASSERT_TRUE(who.receive<wire::message>());
  std::atomic<bool> withdrawn = false;
  exports.withdraw(name, [&] { withdrawn = true; });
  EXPECT_FALSE(withdrawn);
  who.send(sealed(conversation->given, {.kind = wire::kind::release, .id = 1}));
  EXPECT_TRUE(tests::until([&] { return withdrawn.load(); }));
}

TEST_F(SocketsSource, TakesARangeBackFromAReaderThatHangs) {
  start();
  auto who = stranger();
  auto conversation = prove_the_secret(who, secret, incarnation, "reader");
  ASSERT_TRUE(conversation);
  who.send(sealed(conversation->given, {.kind = wire::kind::fetch_by_reading, .id = 1, .range = all()}));
  ASSERT_TRUE(who.receive<wire::message>());
  std::atomic<bool> withdrawn = false;
  exports.withdraw(name, [&] { withdrawn = true; });
  EXPECT_TRUE(tests::until([&] { return withdrawn.load(); })) << "its time is over";
}

TEST_F(SocketsSource, TakesARangeBackFromAPeerThatReadsNothing) {
  limits.send_us = 200'000;
  memory.resize(64 << 20, std::byte{7}); // more than sockets hold
  exports.withdraw(name, [] {});
  name = exports.add({{memory.data(), memory.size()}, -1});
  start();
  auto who = stranger();
  auto conversation = prove_the_secret(who, secret, incarnation, "hung");
  ASSERT_TRUE(conversation);
  who.send(sealed(conversation->given, {.kind = wire::kind::fetch, .id = 1, .range = all()}));
  ASSERT_TRUE(who.readable(raw_peer::patience_ms));
  std::atomic<bool> withdrawn = false;
  exports.withdraw(name, [&] { withdrawn = true; });
  EXPECT_FALSE(withdrawn);
  EXPECT_TRUE(tests::until([&] { return withdrawn.load(); }));
}

TEST_F(SocketsSource, TakesARangeBackAtOnceFromANodeThatWasLost) {
  memory.resize(64 << 20, std::byte{7});
  exports.withdraw(name, [] {});
  name = exports.add({{memory.data(), memory.size()}, -1});
  limits.send_us = 3'600'000'000;
  start();
  auto who = stranger();
  auto conversation = prove_the_secret(who, secret, incarnation, "lost");
  ASSERT_TRUE(conversation);
  who.send(sealed(conversation->given, {.kind = wire::kind::fetch, .id = 1, .range = all()}));
  ASSERT_TRUE(who.readable(raw_peer::patience_ms));
  std::atomic<bool> withdrawn = false;
  exports.withdraw(name, [&] { withdrawn = true; });
  source->close_peer("another", 1);
  source->close_peer("lost", 1);
  EXPECT_TRUE(tests::until([&] { return withdrawn.load(); }));
}

TEST_F(SocketsSource, AnswersBusyBeyondItsQueueAndCutsOffWhoDoesNotRead) {
  limits.queued_per_peer = 4;
  limits.unread_per_peer = 32;
  memory.resize(64 << 20, std::byte{7});
  exports.withdraw(name, [] {});
  name = exports.add({{memory.data(), memory.size()}, -1});
  start();
  auto who = stranger();
  auto conversation = prove_the_secret(who, secret, incarnation, "greedy");
  ASSERT_TRUE(conversation);
  for (uint64_t id = 1; id < 200; ++id)
    who.send(sealed(conversation->given, {.kind = wire::kind::fetch, .id = id, .range = all()}));
  EXPECT_TRUE(who.is_closed());
  EXPECT_TRUE(serves());
}

TEST_F(SocketsSource, LeavesOutWhatWasCancelledWhileItWaited) {
  start();
  auto who = stranger();
  auto conversation = prove_the_secret(who, secret, incarnation, "cancelling");
  ASSERT_TRUE(conversation);
  const remote_range small{name.region, name.generation, 0, 1};
  for (uint64_t id = 1; id <= 4; ++id)
    who.send(sealed(conversation->given, {.kind = wire::kind::fetch, .id = id, .range = id == 4 ? small : all()}));
  who.send(sealed(conversation->given, {.kind = wire::kind::cancel, .id = 3}));
  std::vector<uint64_t> answered;
  std::vector<std::byte> sink(memory.size());
  while (answered.empty() || answered.back() != 4) {
    const auto data = who.receive<wire::message>();
    ASSERT_TRUE(data);
    EXPECT_TRUE(conversation->taken.is_next(wire::sealed_part(*data), data->sealed));
    answered.push_back(data->id);
    ASSERT_TRUE(who.receive(sink.data(), data->range.length_bytes));
  }
  EXPECT_EQ(answered, (std::vector<uint64_t>{1, 2, 4}));
}

// -- the asking side --------------------------------------------------------------------------------------------------

// A listener that the test speaks for.
struct SocketsAsker : testing::Test {
  SocketsAsker() {
    listening = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto address = raw_peer::loopback(0);
    socklen_t size = sizeof address;
    core::check(bind(listening, reinterpret_cast<sockaddr*>(&address), size) == 0 && listen(listening, 8) == 0 &&
                    getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size) == 0,
                "a test can listen");
    peer = {"source", incarnation, "", "", "127.0.0.1", ntohs(address.sin_port)};
    backend_options options;
    options.node = "asker";
    options.secret = the_secret;
    options.connect_us = 500'000;
    asker = std::move(*backend::create(options, none));
  }
  ~SocketsAsker() override {
    asker.reset();
    close(listening);
  }

  using ending = std::future<core::result<fetched>>;
  ending fetch(size_t offset, uint64_t bytes, core::duration_us timeout_us) {
    auto ended = std::make_shared<std::promise<core::result<fetched>>>();
    const auto id = asker->fetch(peer, {{1, 1, offset, bytes}, {target.data() + offset, bytes}, timeout_us},
                                 [ended](auto got) { ended->set_value(std::move(got)); });
    EXPECT_TRUE(id);
    last_id = *id;
    return ended->get_future();
  }
  raw_peer accept() const { return raw_peer(::accept(listening, nullptr, nullptr)); }
  // As an honest source does it.
  message_tags welcome(raw_peer& who, const char* with_secret = the_secret) {
    const cluster_secret known(with_secret);
    const auto hello = who.receive<wire::hello>();
    const auto own = make_nonce();
    who.send(wire::challenge{0, 77, own, known.prove(wire::source_role, hello->asker, own, 77)});
    message_tags by(known.prove(wire::session_role, hello->asker, own, 77), message_tags::direction::to_asker);
    if (who.receive<wire::answer>()) who.send(sealed(by, {.kind = wire::kind::welcome}));
    return by;
  }

  int listening = -1;
  peer_address peer;
  exporter none;
  std::vector<std::byte> target = std::vector<std::byte>(4 << 20);
  std::unique_ptr<backend> asker;
  fetch_id last_id;
};

TEST_F(SocketsAsker, WaitsForAsLongAsBytesCome) {
  auto first = fetch(0, 4096, 300'000), second = fetch(4096, 4096, 300'000);
  auto source = accept();
  auto by = welcome(source);
  for (int turn = 0; turn < 2; ++turn) {
    const auto wanted = source.receive<wire::message>();
    ASSERT_TRUE(wanted);
    auto* each = wanted->range.offset_bytes == 0 ? &first : &second;
    source.send(sealed(by, {.kind = wire::kind::data, .id = wanted->id, .range = wanted->range}));
    for (int i = 0; i < 30; ++i) { // a slow link: 600 ms for each, behind which the other waits
      ASSERT_EQ(each->wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
      source.send("x", 1);
    }
    source.send(std::string(4096 - 30, 'x'));
    EXPECT_TRUE(each->get());
  }
}

TEST_F(SocketsAsker, GivesUpAloneWhatIsCancelledWhileBytesStillCome) {
  auto cancelled = fetch(0, 1 << 20, 60'000'000);
  auto source = accept();
  auto by = welcome(source);
  const auto first = source.receive<wire::message>();
  const auto id = last_id;
  auto patient = fetch(1 << 20, 4096, 60'000'000);
  const auto second = source.receive<wire::message>();
  ASSERT_TRUE(first && second);
  source.send(sealed(by, {.kind = wire::kind::data, .id = first->id, .range = first->range}));
  source.send("x", 1);
  asker->cancel(id);
  EXPECT_EQ(cancelled.get().error().code, core::errc::cancelled);
  EXPECT_EQ(source.receive<wire::message>()->kind, wire::kind::cancel);
  const auto of_cancelled = std::span(target).first(1 << 20); // no thread writes there any more
  const std::vector<std::byte> after(of_cancelled.begin(), of_cancelled.end());
  source.send(std::string(first->range.length_bytes - 1, 'y')); // belongs to nobody any more
  source.send(sealed(by, {.kind = wire::kind::data, .id = second->id, .range = second->range}));
  source.send(std::string(4096, 'z'));
  EXPECT_TRUE(patient.get());
  EXPECT_TRUE(std::equal(after.begin(), after.end(), of_cancelled.begin())) << "a late write";
}

TEST_F(SocketsAsker, EndsEverythingAskedOfASourceThatHangs) {
  auto late = fetch(0, 4096, 200'000);
  auto patient = fetch(4096, 4096, 60'000'000);
  auto source = accept();
  welcome(source);
  EXPECT_EQ(late.get().error().code, core::errc::deadline_exceeded);
  EXPECT_EQ(patient.get().error().code, core::errc::deadline_exceeded);
}

// A copy thread that hardly gets to run.
std::optional<uint64_t> fill_slowly(std::byte*, uint64_t size, uint64_t,
                                    const std::function<bool(uint64_t, uint64_t)>& fill) {
  const auto until_us = core::monotonic_now_us() + 80'000;
  while (core::monotonic_now_us() < until_us) std::this_thread::yield(); // that is the point of it
  return fill(0, size) ? std::optional<uint64_t>(1) : std::nullopt;
}

TEST_F(SocketsSource, IsNotBlamedWhenItsAskerReadsItsMemorySlowly) {
  start();
  exporter none;
  backend_options options;
  options.node = "asker";
  options.secret = the_secret;
  options.copiers = std::make_shared<copy_pool>(1);
  options.fill = fill_slowly;
  const auto asker = std::move(*backend::create(options, none));
  std::vector<std::byte> target(memory.size());
  std::deque<std::promise<core::result<fetched>>> ended(12); // more than it grants at a time
  for (size_t i = 0; i < ended.size(); ++i)
    ASSERT_TRUE(asker->fetch({"source", incarnation, this_boot_id(), "", "127.0.0.1", source->port()},
                             {{name.region, name.generation, i * 4096, 4096}, {target.data() + i * 4096, 4096}, 60'000},
                             [&ended, i](auto got) { ended[i].set_value(std::move(got)); }));
  for (size_t i = 0; i < ended.size(); ++i) {
    const auto got = ended[i].get_future().get();
    ASSERT_TRUE(got) << got.error().message;
    if (got->way != path::cma) GTEST_SKIP() << "the kernel lets nobody read another's memory";
    EXPECT_TRUE(i < 6 || got->may_be_torn) << "it was asked for long before it was read";
  }
}

TEST_F(SocketsAsker, DoesNotWaitLongForAListenerThatNeverAnswers) {
  EXPECT_EQ(fetch(0, 4096, 60'000'000).get().error().code, core::errc::deadline_exceeded);
}

TEST_F(SocketsAsker, ProvesNothingToWhoDoesNotKnowTheSecret) {
  auto ended = fetch(0, 4096, 5'000'000);
  auto source = accept();
  const cluster_secret other("another");
  const auto hello = source.receive<wire::hello>();
  ASSERT_TRUE(hello);
  source.send(wire::challenge{0, 77, make_nonce(), other.prove(wire::source_role, hello->asker, make_nonce(), 77)});
  EXPECT_EQ(ended.get().error().code, core::errc::permission_denied);
  size_t bytes = 0;
  EXPECT_TRUE(source.is_closed(&bytes));
  EXPECT_EQ(bytes, 0u);
}

TEST_F(SocketsAsker, TakesNothingBehindAMessageThatWasChanged) {
  auto ended = fetch(0, 4096, 5'000'000);
  auto source = accept();
  auto by = welcome(source);
  const auto asked = source.receive<wire::message>();
  ASSERT_TRUE(asked);
  auto answer = sealed(by, {.kind = wire::kind::data, .id = asked->id, .range = asked->range});
  answer.address = 1;
  source.send(answer);
  source.send(std::string(4096, 'z'));
  EXPECT_EQ(ended.get().error().code, core::errc::corrupt);
  EXPECT_EQ(target[0], std::byte{0});
}

TEST_F(SocketsAsker, TakesNoMoreAndNoLessThanItAskedFor) {
  for (const uint64_t length : {uint64_t{0}, uint64_t{1}, uint64_t{4097}, uint64_t{1} << 60}) {
    auto ended = fetch(0, 4096, 5'000'000);
    auto source = accept();
    auto by = welcome(source);
    auto asked = source.receive<wire::message>();
    ASSERT_TRUE(asked);
    asked->range.length_bytes = length;
    source.send(sealed(by, {.kind = wire::kind::data, .id = asked->id, .range = asked->range}));
    EXPECT_EQ(ended.get().error().code, core::errc::corrupt);
    EXPECT_EQ(target[0], std::byte{0});
  }
}

} // namespace
} // namespace fastptm::transport::sockets::test
