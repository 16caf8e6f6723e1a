// Serves admin.capnp: what the operator may see and do.
#pragma once

#include <string>
#include <vector>

#include <capnp/capability.h>
#include <kj/timer.h>

#include "rpc/bridge.hpp"
#include "rpc/guarded_stream.hpp"

namespace fastptm::rpc {

struct admin_options {
  std::string token;
  std::vector<std::string> tenants;
  core::duration_us call_timeout_us = 0;
};

// Lives on the KJ thread, longer than its connections.
class admin {
public:
  admin(bridge& to, kj::Timer& with, admin_options given) : actors(to), timer(with), options(std::move(given)) {}

  // The bootstrap capability of one connection; marks it as trusted after a good login.
  capnp::Capability::Client bootstrap(guarded_stream& connection);

  bridge& actors;
  kj::Timer& timer;
  const admin_options options;
};

} // namespace fastptm::rpc
