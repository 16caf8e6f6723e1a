// The token files of a state folder's tenants: which are good, and how an operator changes them.
#pragma once

#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "node/state_folder.hpp"
#include "rpc/token_book.hpp"

namespace fastptm::node {

// tokens/TENANT           who holds it is the tenant
// tokens/TENANT.old       the one before, and until when it is good, in seconds since 1970
// tokens/TENANT.revoked   the tenant has none until somebody adds one: `up` makes none
//
// All of mode 0600. What runs has to be told of a change. Any thread; whoever changes them is alone.
class tenant_tokens {
public:
  explicit tenant_tokens(const state_folder& folder) : tokens_(folder.tokens()) {}

  // An error names the file that cannot be used.
  core::result<std::vector<rpc::tenant_token>> good_ones(const std::vector<std::string>& tenants) const;

  // For a tenant without one. already_exists: it has one. not_found, of these three: no cluster was started here with
  // such a tenant.
  core::result<void> add(const std::string& tenant) const;
  // A new one; the old one stays good for that long.
  core::result<void> rotate(const std::string& tenant, core::duration_us keep_old_us) const;
  // The tenant has none any more.
  core::result<void> revoke(const std::string& tenant) const;

  std::filesystem::path file_of(const std::string& tenant) const { return tokens_ / tenant; }

private:
  std::filesystem::path old_of(const std::string& tenant) const { return tokens_ / (tenant + ".old"); }
  std::filesystem::path mark_of(const std::string& tenant) const { return tokens_ / (tenant + ".revoked"); }

  core::result<void> check_known(const std::string& tenant) const;
  core::result<void> append_old(const std::string& tenant, std::vector<rpc::tenant_token>& to) const;

  std::filesystem::path tokens_;
};

} // namespace fastptm::node
