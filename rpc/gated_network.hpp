// A tenant's connection to the RPC system, read message by message as the tenant's gate allows.
#pragma once

#include <capnp/rpc-twoparty.h>

namespace fastptm::rpc {

class tenant_account;

// The library's own flow limit counts the parameters of calls in progress. What it does not bound is bounded here:
// answers that a client does not read, calls that it does not finish, and the thread's time. Before the login, and for
// connections that no tenant has, it is the library's network and nothing else.
class gated_network final : public capnp::TwoPartyVatNetworkBase {
public:
  gated_network(kj::AsyncIoStream& stream, capnp::ReaderOptions options)
      : plain_(stream, capnp::rpc::twoparty::Side::SERVER, options) {}

  // From the next message on.
  void count_for(tenant_account& tenant) { tenant_ = &tenant; }

  kj::Promise<void> onDisconnect() { return plain_.onDisconnect(); }

  kj::Maybe<kj::Own<Connection>> connect(capnp::rpc::twoparty::VatId::Reader host) override {
    return plain_.connect(host);
  }
  kj::Promise<kj::Own<Connection>> accept() override;

private:
  struct reader;
  class gated_connection;

  capnp::TwoPartyVatNetwork plain_;
  tenant_account* tenant_ = nullptr;
};

} // namespace fastptm::rpc
