// Small files, each replaced at once.
#include "node/tenant_tokens.hpp"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <limits>

#include <fmt/format.h>

#include "core/log.hpp"
#include "core/random.hpp"

namespace fastptm::node {

namespace fs = std::filesystem;

namespace {

bool is_there(const fs::path& file) {
  std::error_code trouble;
  return fs::exists(file, trouble);
}

core::result<void> remove_file(const fs::path& file) {
  std::error_code trouble;
  fs::remove(file, trouble);
  if (trouble) return core::fail(core::from_errno(trouble.value(), file.string()));
  return {};
}

int64_t now_s() {
  return std::time(nullptr);
}

core::result<void> write_new(const fs::path& file) {
  return write_file(file, core::random_secret_hex() + "\n", 0600);
}

} // namespace

core::result<std::vector<rpc::tenant_token>> tenant_tokens::good_ones(const std::vector<std::string>& tenants) const {
  std::vector<rpc::tenant_token> out;
  for (const auto& tenant : tenants) {
    if (is_there(mark_of(tenant))) continue;
    auto secret = read_secret(file_of(tenant), "token");
    if (!secret) return core::fail(secret.error());
    out.push_back({tenant, std::move(*secret), {}});
    if (auto old = append_old(tenant, out); !old) return core::fail(old.error());
  }
  return out;
}

core::result<void> tenant_tokens::append_old(const std::string& tenant, std::vector<rpc::tenant_token>& to) const {
  if (!is_there(old_of(tenant))) return {};
  const auto text = read_secret(old_of(tenant), "old token");
  if (!text) return core::fail(text.error());
  const auto space = std::min(text->find(' '), text->size());
  int64_t until_s = 0;
  const auto* number = text->data() + std::min(space + 1, text->size());
  std::from_chars(number, text->data() + text->size(), until_s); // what is no number is over
  const auto left_s = std::min<int64_t>(until_s - now_s(), std::numeric_limits<int32_t>::max());
  if (left_s > 0) to.push_back({tenant, text->substr(0, space), left_s * 1'000'000});
  return {};
}

core::result<void> tenant_tokens::add(const std::string& tenant) const {
  if (auto known = check_known(tenant); !known) return known;
  if (is_there(file_of(tenant)) && !is_there(mark_of(tenant))) {
    return core::fail(
        core::errc::already_exists,
        fmt::format("tenant '{}' has a token: `fastptm token rotate {}` makes another in its place", tenant, tenant));
  }
  if (auto written = write_new(file_of(tenant)); !written) return core::fail("token", written.error());
  return remove_file(mark_of(tenant));
}

core::result<void> tenant_tokens::rotate(const std::string& tenant, core::duration_us keep_old_us) const {
  if (auto known = check_known(tenant); !known) return known;
  if (is_there(mark_of(tenant))) {
    return core::fail(core::errc::not_found,
                      fmt::format("tenant '{}' has no token: `fastptm token add {}` makes one", tenant, tenant));
  }
  if (auto removed = remove_file(old_of(tenant)); !removed) return removed;
  if (keep_old_us > 0) {
    const auto old = read_secret(file_of(tenant), "token");
    if (!old) return core::fail(old.error());
    const auto text = fmt::format("{} {}\n", *old, now_s() + (keep_old_us + 999'999) / 1'000'000);
    if (auto kept = write_file(old_of(tenant), text, 0600); !kept) return core::fail("old token", kept.error());
  }
  if (auto written = write_new(file_of(tenant)); !written) return core::fail("token", written.error());
  return {};
}

// The mark first: wherever it ends, no token is good any more.
core::result<void> tenant_tokens::revoke(const std::string& tenant) const {
  if (auto known = check_known(tenant); !known) return known;
  if (auto marked = write_file(mark_of(tenant), "", 0600); !marked) return core::fail("token", marked.error());
  if (auto removed = remove_file(old_of(tenant)); !removed) return removed;
  return remove_file(file_of(tenant));
}

// No tenant's name has a dot: none is one of the other files.
core::result<void> tenant_tokens::check_known(const std::string& tenant) const {
  const bool is_name = tenant.find_first_of("./") == tenant.npos && !tenant.empty();
  if (is_name && (is_there(file_of(tenant)) || is_there(mark_of(tenant)))) return {};
  return core::fail(core::errc::not_found,
                    fmt::format("tenant '{}' is not in this cluster: the configuration must name it, and `fastptm up` "
                                "makes its token",
                                core::printable(tenant, 60)));
}

} // namespace fastptm::node
