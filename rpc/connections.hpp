// Accepts Cap'n Proto connections with bounds that the library's own server does not have.
#pragma once

#include <functional>

#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>

#include "core/clock.hpp"
#include "rpc/guarded_stream.hpp"

namespace fastptm::rpc {

struct connection_limits {
  uint32_t connections = 0;
  core::duration_us login_timeout_us = 0;
  uint64_t message_bytes = 0;
  uint64_t flow_bytes = 0;
};

// Made once per listening socket, on the KJ thread. `make_bootstrap` makes what a new connection is offered; it marks
// the stream as trusted when its client has logged in.
class connections final : private kj::TaskSet::ErrorHandler {
public:
  using make_bootstrap = std::function<capnp::Capability::Client(guarded_stream&)>;

  connections(kj::Own<kj::ConnectionReceiver> listener, kj::Timer& timer, connection_limits limits,
              make_bootstrap bootstrap);

private:
  struct connection;

  kj::Promise<void> accept();
  void serve(kj::Own<kj::AsyncIoStream> socket);
  void taskFailed(kj::Exception&& exception) override;

  kj::Own<kj::ConnectionReceiver> listener_;
  kj::Timer& timer_;
  const connection_limits limits_;
  const make_bootstrap bootstrap_;
  uint32_t open_ = 0;
  kj::Maybe<kj::Own<kj::PromiseFulfiller<void>>> waiting_for_room_;
  kj::TaskSet tasks_; // last: its tasks use everything above
};

} // namespace fastptm::rpc
