// Accepts the connections of one listening socket, whatever fails meanwhile.
#pragma once

#include <functional>
#include <string>

#include <kj/async-io.h>
#include <kj/timer.h>

#include "core/metrics.hpp"

namespace fastptm::rpc {

// Lives on the KJ thread. One connection a turn of its loop, so that whoever is connected already gets its turns however
// many others come.
class acceptor {
public:
  using taker = std::function<void(kj::Own<kj::AsyncIoStream>)>;

  // `port` names it in logs and metrics: gateway, admin, http.
  acceptor(kj::Own<kj::ConnectionReceiver> listener, kj::Timer& timer, std::string port,
           core::metrics_registry& metrics, taker take);

private:
  kj::Promise<void> run();
  kj::Promise<kj::Duration> accept_one(); // and how long to wait for the next
  void hand_over(kj::Own<kj::AsyncIoStream> socket);
  void note(const kj::Exception& failure);
  void note_success();

  kj::Own<kj::ConnectionReceiver> listener_;
  kj::Timer& timer_;
  const std::string port_;
  core::counter& failures_;
  const taker take_;
  uint64_t failures_in_a_row_ = 0;
  kj::Promise<void> running_; // last: it uses everything above
};

} // namespace fastptm::rpc
