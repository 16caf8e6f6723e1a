// What a tenant's client keeps: its sessions, and the requests under way; private to the client.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "clients/cpp/client.hpp"
#include "clients/cpp/repetition.hpp"
#include "clients/cpp/tenant_session.hpp"

namespace fastptm::clients {

// One request from its call to its answer, however often it is sent.
struct asked_request {
  std::string model;
  core::task_kind task = core::task_kind::embed;
  input what;
  core::time_us called_us = 0, deadline_us = 0; // 0: not known before a session is open
  std::array<uint64_t, 2> key{};                // the same for every try
  repetition again;
  tenant_client::part_taken take_part; // may be empty
  uint32_t tries = 0;                  // times it was sent
  uint32_t breaks = 0;                 // connections that broke after it was sent
  bool looked_again = false;           // for a model that the session once knew
  bool is_final = false;               // another try cannot end otherwise
  answer got;                          // of the last try

  core::time_us until_us() const;
};
using asked_pointer = std::shared_ptr<asked_request>;

struct tenant_client::state final : private kj::TaskSet::ErrorHandler {
  explicit state(const connect_options& options)
      : sessions(options, options.loop != nullptr ? options.loop : make_event_loop()) {}

  // Waits for one.
  core::result<session_pointer> session();
  // A call on a session to its end; `send` gets the tenant's capability.
  template <class Send>
  auto finish(Send send, core::duration_us timeout_us = call_timeout_us)
      -> decltype(std::declval<connection>().finish(send(std::declval<schema::Tenant::Client&>()))) {
    const auto on = session();
    if (!on) return core::fail(on.error());
    auto done = (*on)->link.finish(send((*on)->tenant), timeout_us);
    if (!done && done.error().code == core::errc::unavailable) sessions.lose(*on);
    return done;
  }
  tl::unexpected<core::error> failed(const session_pointer& on, const kj::Exception& exception) {
    sessions.lose(on);
    return core::fail(from_kj(exception));
  }

  // -- asking (client_asking.cpp) -------------------------------------------------------------------------------------
  kj::Promise<void> ask(const asked_pointer& of);
  kj::Promise<void> send(const asked_pointer& of, const session_pointer& on);
  kj::Promise<void> send_to(const asked_pointer& of, const session_pointer& on,
                            const std::shared_ptr<found_model>& model);
  kj::Promise<void> take(const asked_pointer& of, const session_pointer& on, answer got);
  void note_trouble(asked_request& of, const session_pointer& on, const kj::Exception& exception);
  kj::Promise<void> come_again(const asked_pointer& of);
  void ended();

  tenant_sessions sessions;
  size_t pending = 0;
  kj::Maybe<kj::Own<kj::PromiseFulfiller<void>>> answer_came;
  kj::TaskSet tasks{*this};

private:
  void taskFailed(kj::Exception&&) override {} // every task catches its own
};

} // namespace fastptm::clients
