// One connection of a client and the calls on it; private to the clients.
#pragma once

#include <memory>
#include <string>

#include <capnp/capability.h>
#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>
#include <kj/compat/tls.h>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "schemas/serving.capnp.h"

namespace fastptm::clients {

class event_loop {
public:
  event_loop() : io(kj::setupAsyncIo()) {}
  kj::AsyncIoContext io;
};

constexpr std::string_view tls_prefix = "tls://";
constexpr core::duration_us call_timeout_us = 30'000'000;

core::error from_kj(const kj::Exception& exception);
// As the command line prints it.
std::string_view to_string(schema::Status status);
// The error of an outcome that is not ok.
// Something answers at the address, and knows nothing of what was asked: another port of the cluster.
core::error not_trusted(std::string_view address, const kj::Exception& why);
core::error wrong_port(std::string_view address, std::string_view wanted);
core::result<void> check(schema::Outcome::Reader outcome);

class connection {
public:
  explicit connection(std::shared_ptr<event_loop> loop) : loop_(std::move(loop)) {}

  // `authority` as in connect_options.
  kj::Promise<void> open(const std::string& address, const std::string& authority = {});
  // It is no use to try again: who answered is not who was to be reached.
  bool is_distrusted() const { return distrusted_; }
  // The same and the wait for it, with an error that names the address.
  core::result<void> connect(const std::string& address, core::duration_us timeout_us);

  template <class Interface> typename Interface::Client bootstrap() { return client_->bootstrap().castAs<Interface>(); }

  template <class T> kj::Promise<T> within(kj::Promise<T> call, core::duration_us timeout_us) {
    return timer().timeoutAfter(timeout_us * kj::MICROSECONDS, kj::mv(call));
  }

  // Runs a call to its end: its response, or an error for an exception or an outcome that is not ok.
  template <class Results>
  core::result<kj::Own<capnp::Response<Results>>> finish(capnp::RemotePromise<Results> call,
                                                         core::duration_us timeout_us = call_timeout_us) {
    core::result<kj::Own<capnp::Response<Results>>> out;
    const auto trouble = kj::runCatchingExceptions([&] {
      kj::Promise<capnp::Response<Results>> plain = kj::mv(call);
      auto got = within(kj::mv(plain), timeout_us).wait(scope());
      auto good = check(got.getOutcome());
      if (good) {
        out = kj::heap<capnp::Response<Results>>(kj::mv(got));
      } else {
        out = core::fail(good.error());
      }
    });
    KJ_IF_MAYBE (exception, trouble) {
      return core::fail(from_kj(*exception));
    }
    return out;
  }

  kj::Timer& timer() { return loop_->io.provider->getTimer(); }
  kj::WaitScope& scope() { return loop_->io.waitScope; }

private:
  kj::Promise<kj::Own<kj::AsyncIoStream>> connect_to(const std::string& address);
  kj::Promise<kj::Own<kj::AsyncIoStream>> secure(kj::Own<kj::AsyncIoStream> stream, const std::string& host);

  const std::shared_ptr<event_loop> loop_;
  kj::Own<kj::TlsContext> tls_; // of tls://
  bool distrusted_ = false;
  kj::Own<kj::AsyncIoStream> stream_;
  kj::Own<capnp::TwoPartyClient> client_;
};

} // namespace fastptm::clients
