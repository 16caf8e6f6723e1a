// The door and those who come to it, over real sockets with real TLS: nodes, strangers, floods.
#include "control/tunnels.hpp"

#include <csignal>
#include <filesystem>

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "core/random.hpp"
#include "tests/support/until.hpp"

namespace fastptm::control {
namespace {

using testing::HasSubstr;

constexpr core::duration_us second_us = 1'000'000;

size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

// A connected socket that does not block; none when nobody listens.
core::descriptor connected_to(uint16_t port) {
  core::descriptor out(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(out.get(), reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) return {};
  ::fcntl(out.get(), F_SETFL, O_NONBLOCK);
  return out;
}

// The other side has closed it within that time.
bool closes(int socket, core::duration_us within_us = 10 * second_us) {
  const auto end_us = core::monotonic_now_us() + within_us;
  char bytes[4096];
  while (core::monotonic_now_us() < end_us) {
    pollfd waiting{socket, POLLIN, 0};
    ::poll(&waiting, 1, 100);
    const auto got = ::recv(socket, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN)) return true;
  }
  return false;
}

void send_all(int socket, std::string_view text) {
  while (!text.empty()) {
    pollfd waiting{socket, POLLOUT, 0};
    ASSERT_EQ(::poll(&waiting, 1, 10'000), 1);
    const auto sent = ::send(socket, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    ASSERT_GT(sent, 0);
    text.remove_prefix(static_cast<size_t>(sent));
  }
}

std::string receive(int socket, size_t bytes) {
  std::string out(bytes, '\0');
  for (size_t at = 0; at < bytes;) {
    pollfd waiting{socket, POLLIN, 0};
    if (::poll(&waiting, 1, 10'000) != 1) return "nothing came";
    const auto got = ::recv(socket, out.data() + at, bytes - at, MSG_DONTWAIT);
    if (got <= 0) return "it ended";
    at += static_cast<size_t>(got);
  }
  return out;
}

class Tunnels : public testing::Test {
protected:
  void open(core::duration_us patience_us = 2 * second_us, size_t strangers = 64) {
    door_options options;
    options.at = {"127.0.0.1", 0};
    options.nodes = {"worker-0", "worker-1"};
    options.patience_us = patience_us;
    options.strangers = strangers;
    options.admit = [this](const std::string& node, int local) {
      const core::mutex_lock lock(mutex_);
      admitted_.emplace_back(node, core::descriptor(local));
    };
    door_ = head_->open(options).value();
  }

  static credentials made_by(const authority& by, const std::string& node) {
    return issue(by, node, ten_years_from(wall_clock_s())).value();
  }
  std::unique_ptr<tunnels> node(const std::string& name) {
    return tunnels::start(made_by(ours_, name), nullptr).value();
  }

  // The bytes of a node in the clear.
  core::result<int> join(tunnels& from, const std::string& wanted = "head") {
    return from.connect(connected_to(door_->port()).release(), wanted, 5 * second_us);
  }
  std::pair<std::string, core::descriptor> last_admitted() {
    EXPECT_TRUE(tests::until([&] {
      const core::mutex_lock lock(mutex_);
      return !admitted_.empty();
    }));
    const core::mutex_lock lock(mutex_);
    auto out = std::move(admitted_.back());
    admitted_.pop_back();
    return out;
  }

  uint64_t counted(const std::string& result) {
    return metrics_.make_counter("fastptm_control_connections_total", "", "result=\"" + result + "\"").value();
  }

  const authority ours_ = make_authority(ten_years_from(wall_clock_s()));
  core::mutex mutex_;
  std::vector<std::pair<std::string, core::descriptor>> admitted_ FASTPTM_GUARDED_BY(mutex_);
  core::metrics_registry metrics_;
  std::unique_ptr<tunnels> head_ = tunnels::start(made_by(ours_, "head"), &metrics_).value();
  std::unique_ptr<door> door_;
};

// -- nodes ------------------------------------------------------------------------------------------------------------

TEST_F(Tunnels, CarryBytesBothWaysForANodeOfTheCluster) {
  open();
  const auto worker = node("worker-0");
  const auto began_us = core::monotonic_now_us();
  const core::descriptor ours(join(*worker).value());
  const auto took_us = core::monotonic_now_us() - began_us;
  RecordProperty("handshake_us", static_cast<int>(took_us));
  EXPECT_LT(took_us, second_us);
  const auto [name, theirs] = last_admitted();
  EXPECT_EQ(name, "worker-0");
  send_all(ours.get(), "from the node");
  EXPECT_EQ(receive(theirs.get(), 13), "from the node");
  send_all(theirs.get(), "from the head");
  EXPECT_EQ(receive(ours.get(), 13), "from the head");
  EXPECT_EQ(counted("admitted"), 1u);
}

TEST_F(Tunnels, CarryEveryByteInOrderWhateverItsPieces) {
  open();
  const auto worker = node("worker-0");
  const core::descriptor ours(join(*worker).value());
  const auto theirs = last_admitted().second;
  const uint64_t seed = core::true_random_u64();
  SCOPED_TRACE(seed);
  core::prng random(seed);
  std::string sent(32 << 20, '\0');
  for (auto& byte : sent) byte = static_cast<char>(random.next());
  std::thread sender([&] {
    for (size_t at = 0; at < sent.size();) {
      const auto piece = std::min(sent.size() - at, 1 + random.below(100'000));
      send_all(ours.get(), {sent.data() + at, piece});
      at += piece;
    }
  });
  const auto got = receive(theirs.get(), sent.size());
  sender.join();
  EXPECT_TRUE(got == sent);
}

TEST_F(Tunnels, HoldUpAWriterWhoseReaderIsSlow) {
  open();
  const auto worker = node("worker-0");
  const core::descriptor ours(join(*worker).value());
  const auto theirs = last_admitted().second;
  const std::string piece(1 << 16, 'x');
  size_t taken = 0;
  pollfd waiting{ours.get(), POLLOUT, 0};
  while (taken < (64u << 20) && ::poll(&waiting, 1, 500) == 1) { // buffers of sockets take some MiB
    const auto sent = ::send(ours.get(), piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    taken += sent > 0 ? static_cast<size_t>(sent) : 0;
  }
  EXPECT_LT(taken, 64u << 20);
  EXPECT_EQ(receive(theirs.get(), taken), std::string(taken, 'x')) << "and loses nothing";
}

TEST_F(Tunnels, EndOnBothSidesWhenOneSideEnds) {
  open();
  const auto before = open_descriptors();
  const auto worker = node("worker-0");
  {
    core::descriptor ours(join(*worker).value());
    auto theirs = last_admitted().second;
    send_all(ours.get(), "bye");
    ours.reset();
    EXPECT_EQ(receive(theirs.get(), 3), "bye") << "the last bytes come through";
    EXPECT_TRUE(closes(theirs.get()));
  }
  {
    core::descriptor ours(join(*worker).value());
    last_admitted();
    EXPECT_TRUE(closes(ours.get()));
  }
  EXPECT_TRUE(tests::until([&] { return open_descriptors() == before + 2; })) << "the node's epoll and event file";
}

TEST_F(Tunnels, SendTheLastBytesBeforeTheyEnd) {
  open();
  auto worker = node("worker-0");
  core::descriptor ours(join(*worker).value());
  const auto theirs = last_admitted().second;
  send_all(ours.get(), std::string(100'000, 'z'));
  ours.reset();
  worker.reset();
  EXPECT_EQ(receive(theirs.get(), 100'000), std::string(100'000, 'z'));
}

TEST_F(Tunnels, TellANodeThatIsNotConfiguredSo) {
  open();
  const auto worker = node("worker-9");
  const auto joined = join(*worker);
  ASSERT_FALSE(joined);
  EXPECT_EQ(joined.error().code, core::errc::not_found);
  EXPECT_THAT(joined.error().message, HasSubstr("start every node with the same one"));
  EXPECT_TRUE(tests::until([&] { return counted("refused") == 1u; }));
}

TEST_F(Tunnels, TakeAFewConnectionsOfOneNode) {
  open();
  const auto worker = node("worker-0"), other = node("worker-1");
  std::vector<core::descriptor> held;
  for (size_t i = 0; i < door_options().per_node; ++i) held.emplace_back(join(*worker).value());
  const auto more = join(*worker);
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code, core::errc::already_exists);
  EXPECT_TRUE(join(*other).has_value());
}

TEST_F(Tunnels, RefuseANodeOfAnotherClusterOnBothSides) {
  open();
  const auto others = make_authority(ten_years_from(wall_clock_s()));
  const auto stranger = tunnels::start(made_by(others, "worker-0"), nullptr).value();
  const auto joined = join(*stranger);
  ASSERT_FALSE(joined);
  EXPECT_EQ(joined.error().code, core::errc::permission_denied);
  EXPECT_THAT(joined.error().message, HasSubstr("not of this cluster"));
  // One that trusts us, and has nothing that we trust.
  auto half = made_by(others, "worker-0");
  half.authority = ours_.certificate;
  const auto pretender = tunnels::start(half, nullptr).value();
  const auto refused = join(*pretender);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().code, core::errc::not_found);
  EXPECT_TRUE(tests::until([&] { return counted("refused") == 2u; }));
  EXPECT_EQ(counted("admitted"), 0u);
}

TEST_F(Tunnels, RefuseACertificateThatIsOver) {
  open();
  const auto old = issue(ours_, "worker-0", {wall_clock_s() - 1000, wall_clock_s() - 10}).value();
  const auto joined = join(*tunnels::start(old, nullptr).value());
  ASSERT_FALSE(joined);
  EXPECT_TRUE(tests::until([&] { return counted("refused") == 1u; }));
}

TEST_F(Tunnels, OpenToNoHeadButTheOneThatIsMeant) {
  open();
  const auto joined = join(*node("worker-0"), "another-head");
  ASSERT_FALSE(joined);
  EXPECT_EQ(joined.error().code, core::errc::permission_denied);
  EXPECT_THAT(joined.error().message, HasSubstr("'head' and not 'another-head'"));
}

TEST_F(Tunnels, GiveUpOnAHeadThatIsSilent) {
  const core::descriptor listening(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  ASSERT_EQ(::bind(listening.get(), reinterpret_cast<sockaddr*>(&at), size), 0);
  ASSERT_EQ(::listen(listening.get(), 1), 0);
  ::getsockname(listening.get(), reinterpret_cast<sockaddr*>(&at), &size);
  const auto joined = head_->connect(connected_to(ntohs(at.sin_port)).release(), "head", 100'000);
  ASSERT_FALSE(joined);
  EXPECT_EQ(joined.error().code, core::errc::unavailable);
}

// -- strangers --------------------------------------------------------------------------------------------------------

TEST_F(Tunnels, CloseASilentStrangerAfterAWhile) {
  open(200'000);
  const auto stranger = connected_to(door_->port());
  const auto began_us = core::monotonic_now_us();
  EXPECT_TRUE(closes(stranger.get()));
  EXPECT_GE(core::monotonic_now_us() - began_us, 190'000);
  EXPECT_EQ(counted("silent"), 1u);
}

TEST_F(Tunnels, CloseAHalfHandshakeAfterAWhile) {
  open(200'000);
  const auto stranger = connected_to(door_->port());
  const std::string beginning("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11); // of a ClientHello
  send_all(stranger.get(), beginning);
  EXPECT_TRUE(closes(stranger.get()));
}

TEST_F(Tunnels, CloseGarbageAndWhatBeginsLikeAHandshake) {
  open(300'000);
  const uint64_t seed = core::true_random_u64();
  SCOPED_TRACE(seed);
  core::prng random(seed);
  for (int i = 0; i < 200; ++i) {
    std::string noise(1 + random.below(4000), '\xff');
    if (i % 2 == 0)
      for (auto& byte : noise) byte = static_cast<char>(random.next());
    const auto stranger = connected_to(door_->port());
    ::send(stranger.get(), noise.data(), noise.size(), MSG_NOSIGNAL);
    ASSERT_TRUE(closes(stranger.get()));
  }
  EXPECT_TRUE(join(*node("worker-0")).has_value());
}

TEST_F(Tunnels, ANodeGetsInWhileStrangersHoldConnections) {
  open(60 * second_us, 16);
  const auto before = open_descriptors();
  std::vector<core::descriptor> held;
  for (int i = 0; i < 200; ++i) held.push_back(connected_to(door_->port()));
  const auto worker = node("worker-0");
  const core::descriptor ours(join(*worker).value());
  EXPECT_TRUE(tests::until([&] { return counted("crowded") >= 184u; }));
  EXPECT_LE(open_descriptors(), before + held.size() + 16 + 8);
  size_t closed = 0;
  for (const auto& each : held) closed += closes(each.get(), 1000);
  EXPECT_GE(closed, 184u) << "the oldest went";
  held.clear();
  EXPECT_TRUE(tests::until([&] { return open_descriptors() <= before + 8; }));
}

TEST_F(Tunnels, TheDoorIsShutWithItsOwner) {
  open();
  const auto port = door_->port();
  const auto stranger = connected_to(port);
  const auto worker = node("worker-0");
  const core::descriptor ours(join(*worker).value());
  const auto theirs = last_admitted().second;
  door_.reset();
  EXPECT_TRUE(closes(stranger.get()));
  EXPECT_FALSE(connected_to(port));
  send_all(ours.get(), "still");
  EXPECT_EQ(receive(theirs.get(), 5), "still") << "who is in stays";
}

TEST_F(Tunnels, APortThatIsInUseIsNamed) {
  open();
  door_options options;
  options.at = {"127.0.0.1", door_->port()};
  const auto other = node("head");
  const auto second = other->open(options);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, HasSubstr(std::to_string(door_->port())));
}

// Lowers the limit of this process for as long as it lives.
class few_descriptors {
public:
  explicit few_descriptors(size_t most) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit now{most, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &now);
  }
  ~few_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

private:
  rlimit before_{};
};

TEST_F(Tunnels, AcceptAgainWhenDescriptorsHadRunOut) {
  open();
  const auto worker = node("worker-0");
  const auto before = open_descriptors();
  std::vector<core::descriptor> held;
  for (int i = 0; i < 4; ++i) held.push_back(connected_to(door_->port()));
  EXPECT_TRUE(tests::until([&] { return open_descriptors() == before + 8; })) << "here and there";
  {
    core::descriptor waiting(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const few_descriptors limit(static_cast<size_t>(waiting.get()) + 1);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(door_->port());
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::connect(waiting.get(), reinterpret_cast<sockaddr*>(&at), sizeof at), 0) << "the backlog takes it";
    ::fcntl(waiting.get(), F_SETFL, O_NONBLOCK);
    EXPECT_FALSE(closes(waiting.get(), 300'000)) << "nobody has accepted it";
    held.clear();
    // The worker needs some for itself, and it shares this process with the door.
    EXPECT_TRUE(tests::until([&] { return open_descriptors() <= before + 4; }));
    const auto joined = worker->connect(waiting.release(), "head", 10 * second_us);
    ASSERT_TRUE(joined.has_value()) << joined.error().message;
    ::close(*joined);
  }
  EXPECT_EQ(last_admitted().first, "worker-0");
}

} // namespace
} // namespace fastptm::control
