// The accept loop and one RPC system per connection.
#include "rpc/connections.hpp"

#include <kj/debug.h>

#include "core/log.hpp"

namespace fastptm::rpc {

namespace {

// A login and its token, several times over.
constexpr size_t stranger_bytes = 64 << 10;

capnp::ReaderOptions reader_options(uint64_t message_bytes) {
  capnp::ReaderOptions options;
  options.traversalLimitInWords = message_bytes / sizeof(capnp::word);
  options.nestingLimit = 32;
  return options;
}

} // namespace

struct connections::connection {
  guarded_stream stream;
  capnp::TwoPartyVatNetwork network;
  capnp::RpcSystem<capnp::rpc::twoparty::VatId> system;

  connection(kj::Own<kj::AsyncIoStream> socket, const connection_limits& limits, const make_bootstrap& bootstrap)
      : stream(kj::mv(socket), stranger_bytes),
        network(stream, capnp::rpc::twoparty::Side::SERVER, reader_options(limits.message_bytes)),
        system(capnp::makeRpcServer(network, bootstrap(stream))) {
    system.setFlowLimit(limits.flow_bytes / sizeof(capnp::word));
  }
};

connections::connections(kj::Own<kj::ConnectionReceiver> listener, kj::Timer& timer, connection_limits limits,
                         make_bootstrap bootstrap)
    : listener_(kj::mv(listener)), timer_(timer), limits_(limits), bootstrap_(std::move(bootstrap)), tasks_(*this) {
  tasks_.add(accept());
}

kj::Promise<void> connections::accept() {
  if (open_ >= limits_.connections) {
    auto room = kj::newPromiseAndFulfiller<void>();
    waiting_for_room_ = kj::mv(room.fulfiller);
    return room.promise.then([this] { return accept(); });
  }
  return listener_->accept().then(
      [this](kj::Own<kj::AsyncIoStream> socket) {
        serve(kj::mv(socket));
        return accept();
      },
      [this](kj::Exception&& exception) {
        // Out of descriptors, most likely: others will close some.
        core::log::warn("rpc", "accept-failed", "{}", exception.getDescription().cStr());
        return timer_.afterDelay(100 * kj::MILLISECONDS).then([this] { return accept(); });
      });
}

void connections::serve(kj::Own<kj::AsyncIoStream> socket) {
  auto made = kj::heap<connection>(kj::mv(socket), limits_, bootstrap_);
  auto& stream = made->stream;
  auto stranger = timer_.afterDelay(limits_.login_timeout_us * kj::MICROSECONDS).then([&stream]() -> kj::Promise<void> {
    if (stream.trusted()) return kj::NEVER_DONE;
    return KJ_EXCEPTION(DISCONNECTED, "did not log in");
  });
  ++open_;
  auto ended =
      made->network.onDisconnect().exclusiveJoin(kj::mv(stranger)).attach(kj::mv(made), kj::defer([this] {
                                                                            --open_;
                                                                            KJ_IF_MAYBE (waiting, waiting_for_room_) {
                                                                              (*waiting)->fulfill();
                                                                              waiting_for_room_ = nullptr;
                                                                            }
                                                                          }));
  tasks_.add(kj::mv(ended));
}

void connections::taskFailed(kj::Exception&& exception) {
  core::log::debug("rpc", "connection-ended", "{}", exception.getDescription().cStr());
}

} // namespace fastptm::rpc
