// A loop that outlives every error.
#include "rpc/acceptor.hpp"

#include <cstdlib>

#include <fmt/format.h>
#include <kj/debug.h>

#include "core/log.hpp"

namespace fastptm::rpc {

namespace {

// Out of descriptors, most likely: others close some meanwhile.
constexpr auto pause_after_failure = 100 * kj::MILLISECONDS;

} // namespace

acceptor::acceptor(kj::Own<kj::ConnectionReceiver> listener, kj::Timer& timer, std::string port,
                   core::metrics_registry& metrics, taker take)
    : listener_(kj::mv(listener)), timer_(timer), port_(std::move(port)),
      failures_(metrics.make_counter("fastptm_rpc_accept_failures_total", "Connections that could not be accepted",
                                     fmt::format("port=\"{}\"", port_))),
      take_(std::move(take)), running_(run().eagerlyEvaluate([](kj::Exception&& exception) {
        core::log::error("rpc", "accepting-died", "{}", exception.getDescription().cStr());
        std::abort(); // nobody could ever connect again
      })) {}

// A timer of no time at all is due after the system was asked for what else has happened.
kj::Promise<void> acceptor::run() {
  return accept_one().then([this](kj::Duration pause) { return timer_.afterDelay(pause); }).then([this] {
    return run();
  });
}

// KJ throws some errors of the system at the caller, and puts others into the promise.
kj::Promise<kj::Duration> acceptor::accept_one() {
  return kj::evalNow([this] { return listener_->accept(); })
      .then([this](kj::Own<kj::AsyncIoStream> socket) {
        note_success();
        hand_over(kj::mv(socket));
        return 0 * kj::MILLISECONDS;
      })
      .catch_([this](kj::Exception&& exception) {
        note(exception);
        return pause_after_failure;
      });
}

// What is wrong with one connection is no reason to wait with the next.
void acceptor::hand_over(kj::Own<kj::AsyncIoStream> socket) {
  KJ_IF_MAYBE (trouble, kj::runCatchingExceptions([&] { take_(kj::mv(socket)); })) {
    core::log::debug("rpc", "connection-dropped", "{}: {}", port_, trouble->getDescription().cStr());
  }
}

void acceptor::note(const kj::Exception& failure) {
  failures_.add();
  if (failures_in_a_row_++ == 0)
    core::log::warn("rpc", "accept-failed", "{}: {}: trying again", port_, failure.getDescription().cStr());
}

void acceptor::note_success() {
  if (failures_in_a_row_ != 0)
    core::log::info("rpc", "accepts-again", "{}: after {} failures", port_, failures_in_a_row_);
  failures_in_a_row_ = 0;
}

} // namespace fastptm::rpc
