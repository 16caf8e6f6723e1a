// Files of PEM; a node's certificate and key are in one, which OpenSSL takes apart.
#include "node/node_credentials.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include "core/log.hpp"

namespace fastptm::node {

namespace fs = std::filesystem;

namespace {

bool is_there(const fs::path& file) {
  std::error_code trouble;
  return fs::exists(file, trouble);
}

core::error without(const state_folder& folder, std::string_view node, const std::string& why) {
  return {core::errc::permission_denied,
          fmt::format("node '{}': {}: on the head's machine run `fastptm node-credentials CONFIG {} --state DIR --out "
                      "FOLDER`, and copy what is in FOLDER to {}",
                      node, why, node, folder.path().string())};
}

core::result<control::authority> authority_of(const state_folder& folder) {
  auto certificate = read_file(folder.authority_file());
  if (!certificate) return core::fail(certificate.error());
  auto key = read_private_file(folder.authority_key_file(), "authority's key");
  if (!key) return core::fail(key.error());
  return control::authority{std::move(*certificate), std::move(*key)};
}

core::result<control::credentials> make_credentials(const state_folder& folder, std::string_view node) {
  const auto by = authority_of(folder);
  if (!by) return core::fail(by.error());
  auto made = control::issue(*by, node, control::ten_years_from(control::wall_clock_s()));
  if (!made) return core::fail(folder.path().string(), made.error());
  return made;
}

core::result<void> keep(const state_folder& folder, std::string_view node, const control::credentials& made) {
  return write_file(folder.credentials_file(node), made.certificate + made.key, 0600);
}

// Nothing there, or what an earlier call has made of the same cluster.
core::result<void> may_be_written(const fs::path& out, const state_folder& from) {
  std::error_code trouble;
  if (!is_there(out) || fs::is_empty(out, trouble)) return {};
  const auto there = read_file(out / "authority.pem"), ours = read_file(from.authority_file());
  if (there && ours && *there == *ours && !is_there(out / "authority.key")) return {};
  return core::fail(
      core::errc::invalid,
      fmt::format("{} holds something else than credentials of this cluster: use an empty folder", out.string()));
}

} // namespace

core::result<control::credentials> credentials_of(const state_folder& folder, std::string_view node) {
  const auto file = folder.credentials_file(node);
  auto authority = read_file(folder.authority_file());
  if (!authority) return core::fail(without(folder, node, authority.error().message));
  std::string why = file.string() + " is missing";
  if (is_there(file)) {
    auto own = read_private_file(file, "credentials");
    if (!own) return core::fail(own.error());
    control::credentials found{std::move(*authority), *own, *own};
    const auto good = control::check(found, node, control::wall_clock_s());
    if (good) return found;
    why = fmt::format("{}: {}", file.string(), good.error().message);
  }
  if (!is_there(folder.authority_key_file())) return core::fail(without(folder, node, why));
  auto made = make_credentials(folder, node);
  if (!made) return core::fail(made.error());
  if (auto kept = keep(folder, node, *made); !kept) return core::fail("credentials", kept.error());
  core::log::info("node", "credentials-made", "{}", why);
  return made;
}

core::result<void> write_credentials(const state_folder& from, std::string_view node, const fs::path& out) {
  if (auto free = may_be_written(out, from); !free) return free;
  auto made = make_credentials(from, node);
  if (!made) return core::fail("only the machine where the cluster began can make credentials", made.error());
  auto secret = from.cluster_secret();
  if (!secret) return core::fail(secret.error());
  std::error_code trouble;
  fs::create_directories(out, trouble);
  ::chmod(out.c_str(), 0700);
  if (auto written = write_file(out / "cluster.secret", *secret + "\n", 0600); !written) return written;
  if (auto written = write_file(out / "authority.pem", made->authority, 0600); !written) return written;
  auto folder = state_folder::create(out, {});
  if (!folder) return core::fail(folder.error());
  return keep(*folder, node, *made);
}

} // namespace fastptm::node
