// Serves admin.capnp: what the operator may see and do.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <capnp/capability.h>
#include <kj/timer.h>

#include "rpc/bridge.hpp"
#include "rpc/visitor.hpp"

namespace fastptm::rpc {

struct admin_options {
  std::string token;
  std::vector<std::string> tenants;
  core::duration_us call_timeout_us = 0;
};

// Lives on the KJ thread, longer than its connections.
class admin {
public:
  using token_refresh = std::function<kj::Promise<core::result<void>>()>;

  admin(bridge& to, kj::Timer& with, admin_options given, token_refresh read_again)
      : actors(to), timer(with), options(std::move(given)), read_tokens_again(std::move(read_again)) {}

  // The bootstrap capability of one connection, which logs its visitor in.
  capnp::Capability::Client bootstrap(visitor& connection);

  bridge& actors;
  kj::Timer& timer;
  const admin_options options;
  const token_refresh read_tokens_again;
};

} // namespace fastptm::rpc
