// Who may have how many connections that are logged in.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "core/error.hpp"

namespace fastptm::rpc {

struct connection_quota_limits {
  uint32_t all = 0;
  uint32_t each = 0;    // of one tenant
  uint32_t tenants = 1; // who share them
};

// Half of all connections is set aside in equal parts, so that everybody has some whatever the others hold; the other
// half goes to who comes first. One thread.
class connection_quota {
public:
  explicit connection_quota(connection_quota_limits limits);

  // quota_exceeded says whose bound it is. Who has entered leaves once.
  core::result<void> enter(const std::string& tenant);
  void leave(const std::string& tenant);
  uint32_t of(const std::string& tenant) const;

private:
  const connection_quota_limits limits_;
  const uint32_t own_;    // set aside for each
  const uint32_t common_; // for all
  std::map<std::string, uint32_t> open_;
  uint32_t in_common_ = 0;
};

} // namespace fastptm::rpc
