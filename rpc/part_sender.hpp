// The pieces of one answer on their way to a client that wants them, in order.
#pragma once

#include <kj/async.h>

#include "protocol/serving.hpp"
#include "schemas/serving.capnp.h"

namespace fastptm::rpc {

// KJ thread. Parts that the client does not take yet wait here: not more than its answer, which is bounded.
class part_sender {
public:
  explicit part_sender(schema::Parts::Client to) : to_(kj::mv(to)) {}

  void send(const protocol::answer_part& part);

  // When the client has been sent all of them, or does not take them any more.
  kj::Promise<void> sent() { return kj::mv(last_); }

private:
  schema::Parts::Client to_;
  kj::Promise<void> last_ = kj::READY_NOW;
};

} // namespace fastptm::rpc
