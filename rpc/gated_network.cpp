// Looks into each message for calls and their ends.
#include "rpc/gated_network.hpp"

#include <memory>

#include <capnp/rpc.capnp.h>

#include "rpc/tenant_gate.hpp"

namespace fastptm::rpc {

// What a message that is waited for needs: the RPC system may drop its connection first, and the wait later.
struct gated_network::reader final : gate_visitor {
  gated_network* network; // null: the connection has ended
  Connection* plain;
  tenant_account* counted_for = nullptr;
  uint32_t unfinished = 0;
  bool is_cut_off = false;

  reader(gated_network& of, Connection& from) : network(&of), plain(&from) {}

  uint64_t unread_bytes() override { return network == nullptr ? 0 : network->plain_.getCurrentQueueSize(); }

  void end() {
    network = nullptr;
    if (counted_for != nullptr) counted_for->gate().call_finished(*counted_for, unfinished);
  }

  void count(tenant_account& tenant, capnp::IncomingRpcMessage& message) {
    if (network == nullptr) return;
    // The body first: until it was asked for, Cap'n Proto 0.9 knows no size.
    const auto body = message.getBody().getAs<capnp::rpc::Message>();
    tenant.gate().took(tenant, message.sizeInWords() * sizeof(capnp::word));
    if (body.isFinish()) count_finish();
    if (body.isCall()) count_call(tenant);
  }

private:
  void count_call(tenant_account& tenant) {
    if (counted_for == nullptr) counted_for = &tenant;
    ++unfinished;
    if (counted_for->gate().call_came(*counted_for)) return;
    is_cut_off = true;
    kj::throwFatalException(
        KJ_EXCEPTION(FAILED, "too many calls whose answers are not taken: finish a call when its answer was read"));
  }

  void count_finish() {
    if (unfinished == 0) return; // of a call before the login
    --unfinished;
    counted_for->gate().call_finished(*counted_for);
  }
};

class gated_network::gated_connection final : public capnp::TwoPartyVatNetworkBase::Connection {
public:
  gated_connection(kj::Own<Connection> plain, gated_network& network)
      : network_(network), plain_(kj::mv(plain)), reader_(std::make_shared<reader>(network, *plain_)) {}
  ~gated_connection() noexcept { reader_->end(); }

  kj::Own<capnp::RpcFlowController> newStream() override { return plain_->newStream(); }
  capnp::rpc::twoparty::VatId::Reader getPeerVatId() override { return plain_->getPeerVatId(); }
  kj::Own<capnp::OutgoingRpcMessage> newOutgoingMessage(kj::uint first_words) override {
    return plain_->newOutgoingMessage(first_words);
  }

  kj::Promise<kj::Maybe<kj::Own<capnp::IncomingRpcMessage>>> receiveIncomingMessage() override {
    using message = kj::Maybe<kj::Own<capnp::IncomingRpcMessage>>;
    auto* const tenant = network_.tenant_;
    if (tenant == nullptr) return plain_->receiveIncomingMessage();
    return tenant->gate()
        .turn(*tenant, reader_)
        .then([from = reader_]() -> kj::Promise<message> {
          if (from->network == nullptr) return KJ_EXCEPTION(DISCONNECTED, "the connection has ended");
          return from->plain->receiveIncomingMessage();
        })
        .then([from = reader_, tenant](message got) {
          KJ_IF_MAYBE (one, got) {
            from->count(*tenant, **one);
          }
          return got;
        });
  }

  // A client that was cut off has answers which it does not read: nobody waits until it does.
  kj::Promise<void> shutdown() override {
    if (reader_->is_cut_off) return kj::READY_NOW;
    return plain_->shutdown();
  }

private:
  gated_network& network_;
  kj::Own<Connection> plain_;
  const std::shared_ptr<reader> reader_;
};

kj::Promise<kj::Own<capnp::TwoPartyVatNetworkBase::Connection>> gated_network::accept() {
  return plain_.accept().then([this](kj::Own<Connection> plain) -> kj::Own<Connection> {
    return kj::heap<gated_connection>(kj::mv(plain), *this);
  });
}

} // namespace fastptm::rpc
