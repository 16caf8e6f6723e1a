// A peer on the data port that does not keep to the protocol: a source gives nothing away and keeps nothing back.
#include <cstring>
#include <memory>
#include <optional>

#include <fcntl.h>
#include <poll.h>

#include "core/check.hpp"
#include "tests/fuzz/bytes.hpp"
#include "tests/transport/raw_peer.hpp"
#include "transport/sockets/serving.hpp"

namespace fastptm::transport::sockets {
namespace {

constexpr uint64_t incarnation = 5;

// A source and an asker of the same thread, so that an input is a sequence.
class two_peers {
public:
  two_peers() : served_(poller_, exports_, secret_, incarnation, serving_limits{}, counts_) {
    port_ = *served_.listen("127.0.0.1", 0);
  }

  void converse(fuzz::bytes input) {
    const auto how = input.byte();
    knows_secret_ = how & 1;
    name_ = exports_.add({{memory_.data(), memory_.size()}, -1});
    asker_.emplace(test::raw_peer::connect_to(port_));
    if (how & 2) asker_->reset_at_close();
    turn();
    if (knows_secret_) prove_the_secret();
    while (!input.empty()) send_next(input);
    end();
  }

private:
  // Until nothing happens any more: what was sent over the loopback interface is there already.
  void turn() {
    for (;;) {
      const auto& events = poller_.now();
      if (events.empty()) return;
      for (const auto& each : events) (void)served_.on_event(each, clock_.now_us());
      take();
    }
  }

  // What came, without waiting.
  void take() {
    char some[64 << 10];
    while (asker_ && asker_->readable(0)) {
      const auto got = asker_->take(some, sizeof some);
      if (got <= 0) return;
      received_ += static_cast<size_t>(got);
      if (received_ == sizeof(wire::challenge)) std::memcpy(&challenged_, some, sizeof challenged_);
      core::check(knows_secret_ || received_ <= sizeof(wire::challenge), "nothing leaves without the secret");
    }
  }

  void prove_the_secret() {
    send(raw(wire::hello{.incarnation = incarnation, .asker = own_, .name = wire::padded("fuzz")}));
    send(raw(answer()));
    given_.emplace(secret_.prove(wire::session_role, own_, challenged_.source, challenged_.session),
                   message_tags::direction::to_source);
  }

  wire::answer answer() const {
    wire::answer made;
    if (knows_secret_)
      made.proven = secret_.prove(wire::asker_role("fuzz"), own_, challenged_.source, challenged_.session);
    return made;
  }

  // Of a peer that knows the secret: bent first and sealed then, so that what is odd gets past the tag.
  std::string message(wire::kind kind, uint64_t id, fuzz::bytes& input) {
    const remote_range range{name_.region, name_.generation, 0, memory_.size()};
    auto bytes = fuzz::bent(wire::message{.kind = kind, .id = id, .range = range}, input);
    if (!given_ || bytes.size() != sizeof(wire::message)) return bytes;
    wire::message whole;
    std::memcpy(&whole, bytes.data(), sizeof whole);
    return raw(test::sealed(*given_, whole));
  }

  template <class Message> static std::string raw(const Message& of) {
    return {reinterpret_cast<const char*>(&of), sizeof of};
  }

  void send_next(fuzz::bytes& input) {
    const auto what = input.byte();
    const uint64_t id = what >> 4;
    switch (what % 7) {
      case 0:
        return send(fuzz::bent(wire::hello{.incarnation = incarnation, .asker = own_}, input));
      case 1:
        return send(fuzz::bent(answer(), input));
      case 2:
        return send(message(wire::kind::fetch, id, input));
      case 3:
        return send(message(wire::kind::fetch_by_reading, id, input));
      case 4:
        return send(message(wire::kind::release, id, input));
      case 5:
        return send(message(wire::kind::cancel, id, input));
      default:
        return send(std::string(input.text(input.byte())));
    }
  }

  void send(const std::string& bytes) {
    asker_->send(bytes);
    turn();
  }

  // Nothing of a peer that has gone stays: no session, no pin.
  void end() {
    asker_.reset();
    while (!served_.empty()) turn();
    given_.reset();
    challenged_ = {};
    received_ = 0;
    bool withdrawn = false;
    exports_.withdraw(name_, [&] { withdrawn = true; });
    core::check(withdrawn, "no range stays pinned for a peer that has gone");
  }

  std::vector<std::byte> memory_ = std::vector<std::byte>(64 << 10, std::byte{7});
  const cluster_secret secret_{"a secret of the cluster"};
  const nonce own_{1, 2, 3};
  core::monotonic_clock clock_;
  exporter exports_;
  core::metrics_registry registry_;
  connection_metrics counts_{registry_};
  exported name_;
  poller poller_;
  serving served_;
  uint16_t port_ = 0;
  std::optional<test::raw_peer> asker_;
  std::optional<message_tags> given_;
  wire::challenge challenged_;
  size_t received_ = 0;
  bool knows_secret_ = false;
};

} // namespace
} // namespace fastptm::transport::sockets

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t most_bytes = 2048; // some dozens of messages
  if (size > most_bytes) return -1;
  static fastptm::transport::sockets::two_peers peers;
  peers.converse({data, size});
  return 0;
}
