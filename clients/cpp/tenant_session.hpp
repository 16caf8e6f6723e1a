// A logged-in connection of a tenant, made when it is needed and again when it broke; private to the client.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "clients/cpp/client.hpp"
#include "clients/cpp/connection.hpp"

namespace fastptm::clients {

// A model's capability, while it is looked up and afterwards.
struct found_model {
  explicit found_model(kj::Promise<void> looking) : ready(looking.fork()) {}
  kj::ForkedPromise<void> ready;
  std::string failure_status, failure; // empty: it was found
  schema::Model::Client client = nullptr;
};

struct tenant_session {
  explicit tenant_session(std::shared_ptr<event_loop> loop) : link(std::move(loop)) {}

  // Calls before the look-up has ended share it.
  std::shared_ptr<found_model> find_model(const std::string& name);
  void forget_model(const std::string& name) { models.erase(name); }

  connection link;
  schema::Tenant::Client tenant = nullptr;
  core::duration_us default_deadline_us = 0;
  uint64_t max_message_bytes = 0;
  std::map<std::string, std::shared_ptr<found_model>> models;
};
using session_pointer = std::shared_ptr<tenant_session>;

// Where a try to connect has led.
struct connected {
  session_pointer session; // none: see failure
  core::error failure;
  bool is_final = false; // trying again does not help
};

// One thread, that of the loop. Tries that are asked for while one is under way share it.
class tenant_sessions {
public:
  tenant_sessions(connect_options options, std::shared_ptr<event_loop> loop)
      : options_(std::move(options)), loop_(std::move(loop)) {}

  // Ready at once where a session is open, else after one try to open one; `last` is where it has led.
  kj::Promise<void> open();
  const connected& last() const { return last_; }
  // Its connection broke: the next open() makes another.
  void lose(const session_pointer& broken);

  kj::Timer& timer() { return loop_->io.provider->getTimer(); }
  kj::WaitScope& scope() { return loop_->io.waitScope; }
  const connect_options& options() const { return options_; }

private:
  kj::Promise<void> try_once();
  kj::Promise<void> log_in(const session_pointer& to);

  const connect_options options_;
  const std::shared_ptr<event_loop> loop_;
  session_pointer current_;
  session_pointer lost_; // the last one: it may be lost from inside of its own callback
  connected last_;
  bool is_trying_ = false;
  kj::ForkedPromise<void> trying_ = kj::Promise<void>(kj::READY_NOW).fork();
  core::time_us next_try_us_ = 0;
};

} // namespace fastptm::clients
