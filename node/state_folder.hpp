// The folder where a cluster keeps everything on one host: store, catalogue, logs, addresses, tokens.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "core/error.hpp"

namespace fastptm::node {

// DIR/version      text; another version is refused
// DIR/lock         held by `up` for its whole life
// DIR/cluster.secret, DIR/admin.token, DIR/tokens/TENANT     mode 0600; others beside the last: node/tenant_tokens
// DIR/authority.pem, DIR/authority.key, DIR/credentials/NODE.pem     mode 0600; node/node_credentials
// DIR/run/NODE.json and NODE.lock     address and pid of a running node
// DIR/store/       objects, sets, catalogue.sqlite, spool
// DIR/logs/NODE.log
class state_folder {
public:
  // $XDG_STATE_HOME/fastptm or ~/.local/state/fastptm; /var/lib/fastptm where neither is known.
  static std::filesystem::path default_path();

  // A folder that `create` has made before; errc::not_found says how to make one.
  static core::result<state_folder> open(const std::filesystem::path& path);

  // Opens, or makes with mode 0700 what is missing: folders, secret, authority, admin token and a token for each
  // tenant but those whose token was revoked.
  static core::result<state_folder> create(const std::filesystem::path& path, const std::vector<std::string>& tenants);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path run() const { return path_ / "run"; }
  std::filesystem::path store() const { return path_ / "store"; }
  std::filesystem::path spool() const { return store() / "spool"; }
  std::filesystem::path tokens() const { return path_ / "tokens"; }
  std::filesystem::path lock_file() const { return path_ / "lock"; }
  std::filesystem::path log_file(std::string_view node) const { return path_ / "logs" / (std::string(node) + ".log"); }

  std::filesystem::path authority_file() const { return path_ / "authority.pem"; }
  std::filesystem::path authority_key_file() const { return path_ / "authority.key"; }
  std::filesystem::path credentials_file(std::string_view node) const {
    return path_ / "credentials" / (std::string(node) + ".pem");
  }

  core::result<std::string> tenant_token(std::string_view tenant) const;
  core::result<std::string> admin_token() const;
  core::result<std::string> cluster_secret() const;

private:
  explicit state_folder(std::filesystem::path path) : path_(std::move(path)) {}

  std::filesystem::path path_;
};

// An exclusive lock on a file, for as long as the object and the processes forked from it without exec live.
class file_lock {
public:
  // errc::already_exists when another process still holds it after that time (who asks for the holder has it for a
  // moment, too); the text names its pid.
  static core::result<file_lock> take(const std::filesystem::path& file, core::duration_us patience_us = 100'000);
  // The pid that holds it, as the kernel says, whatever the file says; nothing when nobody does. 0: it has not called
  // own() yet, or cannot be seen from this container.
  static std::optional<int> holder(const std::filesystem::path& file);

  file_lock(file_lock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  file_lock& operator=(file_lock&&) = delete;
  ~file_lock();

  // Makes this process the one that holder() names, and writes its pid into the file for people. After the last fork.
  void own() const;

private:
  explicit file_lock(int descriptor) : descriptor_(descriptor) {}

  int descriptor_;
};

// Replaces a file at once: a reader sees the old text or the new.
core::result<void> write_file(const std::filesystem::path& file, std::string_view text, unsigned mode);

// At most 1 MiB.
core::result<std::string> read_file(const std::filesystem::path& file);

// permission_denied when others may read it, too. `what` begins the text of an error.
core::result<std::string> read_private_file(const std::filesystem::path& file, std::string_view what);

// A secret of at least 16 characters that only its owner may read; errors begin with `what` it is and name the file.
core::result<std::string> read_secret(const std::filesystem::path& file, std::string_view what);

// Without white space at its ends: a secret from a mounted file often ends with a newline.
std::string trimmed(std::string_view text);

} // namespace fastptm::node
