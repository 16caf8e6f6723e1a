// Somebody who is connected, as its bootstrap capability sees it: unknown until it says who it is.
#pragma once

#include <cstdint>
#include <string>

#include "core/error.hpp"

namespace fastptm::rpc {

class tenant_account;

// Outlives its bootstrap capability: both belong to the connection. KJ thread.
class visitor {
public:
  // By the token of that number; from now on what it sends is read without the bounds of strangers. quota_exceeded: it
  // has too many connections; invalid: this one is another's.
  virtual core::result<void> log_in(const std::string& who, uint64_t token) = 0;
  // What it sends and holds counts for this tenant; that of administrators for nobody.
  virtual void count_for(tenant_account& tenant) = 0;

protected:
  ~visitor() = default;
};

} // namespace fastptm::rpc
