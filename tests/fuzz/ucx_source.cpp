// A peer on the data port that does not keep to the protocol: a source gives nothing away and keeps nothing back.
#include <cstring>
#include <deque>
#include <memory>

#include "core/check.hpp"
#include "tests/fuzz/bytes.hpp"
#include "transport/ucx/environment.hpp"
#include "transport/ucx/serving.hpp"

namespace fastptm::transport::ucx {
namespace {

constexpr const char* the_secret = "a secret of the cluster";
constexpr uint64_t incarnation = 5;
constexpr int turns_a_message = 50; // of both workers: enough for a message to arrive on this machine

// A source and an asker of the same thread, so that an input is a sequence.
class two_peers {
public:
  two_peers() {
    setenv("UCX_TLS", "tcp", 1);
    apply_environment({.allow_cma = false, .net_devices = "lo"});
    source_ = std::move(*worker::create());
    asker_ = std::move(*worker::create());
    served_ = std::make_unique<serving>(*source_, exports_, secret_, incarnation, serving_limits{});
    port_ = *served_->listen("127.0.0.1", 0);
    for (unsigned id : {wire::challenge_id, wire::verdict_id, wire::data_id})
      (void)asker_->set_handler(id, on_message, this);
  }

  void converse(fuzz::bytes input) {
    knows_secret_ = input.byte() & 1;
    challenged_ = {};
    judged_ = false;
    name_ = exports_.add({{memory_.data(), memory_.size()}, -1});
    to_ = std::make_unique<endpoint>();
    core::check(to_->connect(asker_->handle(), *parse_address("127.0.0.1", port_), [] {}).has_value(), "connecting");
    if (knows_secret_) prove_the_secret();
    while (!input.empty()) send_next(input);
    end();
  }

private:
  static ucs_status_t on_message(void* self, const void* header, size_t header_bytes, void*, size_t data_bytes,
                                 const ucp_am_recv_param_t*) {
    auto& here = *static_cast<two_peers*>(self);
    core::check(data_bytes == 0 || here.knows_secret_, "no byte of memory leaves without the secret");
    if (const auto challenged = wire::read<wire::challenge>(header, header_bytes)) here.challenged_ = *challenged;
    if (wire::read<wire::verdict>(header, header_bytes)) here.judged_ = true;
    return UCS_OK;
  }

  void turn() {
    source_->progress();
    served_->progress(clock_.now_us());
    asker_->progress();
  }

  template <class Condition> void turn_until(Condition holds, std::string_view what) {
    const auto give_up_us = clock_.now_us() + 10'000'000;
    while (!holds()) {
      turn();
      core::check(clock_.now_us() < give_up_us, what);
    }
  }

  void prove_the_secret() {
    (void)to_->send(wire::hello_id, wire::hello{.connection = 1, .incarnation = incarnation, .asker = own_});
    turn_until([&] { return challenged_.session != 0; }, "a hello is answered");
    (void)to_->send(wire::answer_id, answer());
    turn_until([&] { return judged_; }, "an answer is judged");
  }

  wire::answer answer() const {
    wire::answer made{challenged_.session, {}};
    if (knows_secret_) made.proven = secret_.prove("asker", own_, challenged_.source, challenged_.session);
    return made;
  }

  void send_next(fuzz::bytes& input) {
    const auto what = input.byte();
    const remote_range range{name_.region, name_.generation, 0, memory_.size() >> (what >> 4)};
    switch (what % 6) {
      case 0:
        return send(wire::hello_id, fuzz::bent(wire::hello{.incarnation = incarnation, .asker = own_}, input));
      case 1:
        return send(wire::answer_id, fuzz::bent(answer(), input));
      case 2:
        return send(wire::fetch_id, fuzz::bent(wire::fetch{challenged_.session, 1, 0, range}, input));
      case 3:
        return send(wire::fetch_id, fuzz::bent(wire::fetch{challenged_.session, 2, 1, range}, input));
      case 4:
        return send(wire::release_id, fuzz::bent(wire::release{challenged_.session, 2}, input));
      default:
        return send(input.byte(), std::string(input.text(input.byte() % 128u)));
    }
  }

  void send(unsigned id, std::string header) {
    if (to_->failed()) return;
    const auto& kept = headers_.emplace_back(std::move(header)); // UCX reads it later
    ucp_request_param_t param{};
    param.op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS;
    param.flags = UCP_AM_SEND_FLAG_EAGER | UCP_AM_SEND_FLAG_REPLY;
    auto* request = ucp_am_send_nbx(to_->handle(), id, kept.data(), kept.size(), nullptr, 0, &param);
    if (UCS_PTR_IS_PTR(request)) ucp_request_free(request);
    for (int i = 0; i < turns_a_message; ++i) turn();
  }

  // Nothing of a peer that has gone stays: no session, no pin.
  void end() {
    to_->begin_close();
    turn_until([&] { return to_->closed() && served_->empty(); }, "a source lets go of a peer that has gone");
    to_.reset();
    headers_.clear();
    bool withdrawn = false;
    exports_.withdraw(name_, [&] { withdrawn = true; });
    core::check(withdrawn, "no range stays pinned for a peer that has gone");
  }

  std::vector<std::byte> memory_ = std::vector<std::byte>(64 << 10, std::byte{7});
  const cluster_secret secret_{the_secret};
  const nonce own_{1, 2, 3};
  core::monotonic_clock clock_;
  exporter exports_;
  exported name_;
  std::unique_ptr<worker> source_, asker_;
  std::unique_ptr<serving> served_;
  std::unique_ptr<endpoint> to_;
  std::deque<std::string> headers_;
  uint16_t port_ = 0;
  wire::challenge challenged_;
  bool knows_secret_ = false, judged_ = false;
};

} // namespace
} // namespace fastptm::transport::ucx

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t most_bytes = 2048; // some dozens of messages
  if (size > most_bytes) return -1;
  static auto* const peers = new fastptm::transport::ucx::two_peers; // UCX ends with the process
  peers->converse({data, size});
  return 0;
}
