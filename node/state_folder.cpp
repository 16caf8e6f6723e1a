// Makes, checks and locks the state folder.
#include "node/state_folder.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/certificates.hpp"
#include "core/log.hpp"
#include "core/random.hpp"

namespace fastptm::node {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view version_text = "fastptm-state 1\n";
constexpr size_t max_small_file_bytes = 1 << 20;

// A disk that was full leaves an empty file; whoever writes a cluster secret by hand gets a floor.
constexpr size_t least_secret_bytes = 16;

core::result<void> make_folder(const fs::path& path) {
  std::error_code trouble;
  if (fs::is_directory(path, trouble)) return {};
  fs::create_directories(path.parent_path(), trouble);
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    const auto why = core::from_errno(errno, fmt::format("state folder: cannot make {}", path.string()));
    return core::fail(why.code, why.message + ": choose another by --state");
  }
  return {};
}

// The key first: without the certificate it is none, and the next start makes both.
core::result<void> make_authority(const state_folder& folder) {
  std::error_code trouble;
  if (fs::exists(folder.authority_file(), trouble)) return {};
  const auto made = control::make_authority(control::ten_years_from(control::wall_clock_s()));
  if (auto written = write_file(folder.authority_key_file(), made.key, 0600); !written) return written;
  return write_file(folder.authority_file(), made.certificate, 0600);
}

core::result<void> make_secret(const fs::path& file) {
  std::error_code trouble;
  if (fs::exists(file, trouble)) return {};
  return write_file(file, core::random_secret_hex() + "\n", 0600);
}

// What node/tenant_tokens leaves in place of a token.
fs::path revocation_of(const fs::path& token) {
  return token.string() + ".revoked";
}

// What may be put there before the first start: of the cluster that the machine joins.
constexpr std::string_view brought[] = {"cluster.secret", "authority.pem", "credentials"};

core::result<void> check_version(const fs::path& path) {
  auto text = read_file(path / "version");
  if (!text) return core::fail("state folder", text.error());
  if (*text != version_text) {
    return core::fail(
        core::errc::version_mismatch,
        fmt::format("state folder {}: has version '{}', this program needs '{}': use the program that made it, "
                    "or another folder",
                    path.string(), core::printable(trimmed(*text), 40), trimmed(version_text)));
  }
  return {};
}

} // namespace

fs::path state_folder::default_path() {
  if (const char* xdg = std::getenv("XDG_STATE_HOME"); xdg != nullptr && *xdg == '/') return fs::path(xdg) / "fastptm";
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home != '/') return "/var/lib/fastptm"; // a service without a user's environment
  return fs::path(home) / ".local/state/fastptm";
}

core::result<state_folder> state_folder::open(const fs::path& path) {
  std::error_code trouble;
  if (!fs::exists(path / "version", trouble)) {
    return core::fail(
        core::errc::not_found,
        fmt::format("state folder {}: no cluster was ever started here: run `fastptm up CONFIG --state {}`",
                    path.string(), path.string()));
  }
  const auto absolute = fs::canonical(path, trouble);
  if (trouble) return core::fail(core::from_errno(trouble.value(), fmt::format("state folder {}", path.string())));
  if (auto checked = check_version(absolute); !checked) return core::fail(checked.error());
  return state_folder(absolute);
}

core::result<state_folder> state_folder::create(const fs::path& path, const std::vector<std::string>& tenants) {
  std::error_code trouble;
  const auto absolute = fs::absolute(path, trouble);
  if (auto made = make_folder(absolute); !made) return core::fail(made.error());
  if (!fs::exists(absolute / "version", trouble)) {
    if (!fs::is_empty(absolute, trouble)) {
      for (const auto& entry : fs::directory_iterator(absolute, trouble)) {
        if (std::ranges::find(brought, entry.path().filename().string()) != std::end(brought)) continue;
        return core::fail(core::errc::invalid,
                          fmt::format("state folder {}: holds other files ({}): use an empty folder", absolute.string(),
                                      core::printable(entry.path().filename().string(), 60)));
      }
    }
    if (auto written = write_file(absolute / "version", version_text, 0600); !written)
      return core::fail("state folder", written.error());
  }
  auto folder = open(absolute);
  if (!folder) return folder;
  for (const auto* name : {"run", "store", "store/spool", "logs", "tokens", "credentials"}) {
    if (auto made = make_folder(folder->path_ / name); !made) return core::fail(made.error());
  }
  std::vector<fs::path> secrets{folder->path_ / "cluster.secret", folder->path_ / "admin.token"};
  for (const auto& tenant : tenants) {
    const auto token = folder->tokens() / tenant;
    if (!fs::exists(revocation_of(token), trouble)) secrets.push_back(token);
  }
  for (const auto& file : secrets) {
    if (auto made = make_secret(file); !made) return core::fail("state folder", made.error());
  }
  if (auto made = make_authority(*folder); !made) return core::fail("state folder", made.error());
  return folder;
}

core::result<std::string> state_folder::tenant_token(std::string_view tenant) const {
  const auto file = tokens() / std::string(tenant);
  std::error_code trouble;
  if (fs::exists(revocation_of(file), trouble)) {
    return core::fail(core::errc::permission_denied,
                      fmt::format("the token of tenant '{}' was revoked: `fastptm token add` makes another",
                                  core::printable(tenant, 60)));
  }
  if (tenant.empty() || tenant.find('/') != tenant.npos || !fs::exists(file, trouble)) {
    return core::fail(
        core::errc::not_found,
        fmt::format("tenant '{}' is not in this cluster: its token would be {}; the configuration must name it",
                    core::printable(tenant, 60), core::printable(file.string(), 200)));
  }
  return read_secret(file, "token");
}

core::result<std::string> state_folder::admin_token() const {
  return read_secret(path_ / "admin.token", "admin token");
}

core::result<std::string> state_folder::cluster_secret() const {
  return read_secret(path_ / "cluster.secret", "cluster secret");
}

// -- locks ------------------------------------------------------------------------------------------------------------

namespace {

constexpr auto lock_pause = std::chrono::milliseconds(10);

bool lock_within(int descriptor, core::duration_us patience_us) {
  const auto give_up_us = core::monotonic_now_us() + patience_us;
  while (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (core::monotonic_now_us() >= give_up_us) return false;
    std::this_thread::sleep_for(lock_pause);
  }
  return true;
}

} // namespace

core::result<file_lock> file_lock::take(const fs::path& file, core::duration_us patience_us) {
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) return core::fail(core::from_errno(errno, file.string()));
  if (!lock_within(descriptor, patience_us)) {
    ::close(descriptor);
    return core::fail(core::errc::already_exists,
                      fmt::format("{} is held by pid {}: stop that first", file.string(), holder(file).value_or(0)));
  }
  return file_lock(descriptor);
}

// Two locks: flock is inherited by a fork, so that no moment is without a holder; that of fcntl knows its process. A
// pid from the file could be that of an earlier life, and somebody else's by now.
std::optional<int> file_lock::holder(const fs::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return std::nullopt;
  const bool free = ::flock(descriptor, LOCK_SH | LOCK_NB) == 0;
  struct flock asked {};
  asked.l_type = F_WRLCK;
  asked.l_whence = SEEK_SET;
  const bool told = ::fcntl(descriptor, F_GETLK, &asked) == 0 && asked.l_type != F_UNLCK;
  ::close(descriptor);
  if (free) return std::nullopt;
  return told && asked.l_pid > 0 ? asked.l_pid : 0;
}

file_lock::~file_lock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void file_lock::own() const {
  struct flock wanted {};
  wanted.l_type = F_WRLCK;
  wanted.l_whence = SEEK_SET;
  if (::fcntl(descriptor_, F_SETLK, &wanted) != 0) {
    core::log::warn("node", "lock-owner", "`fastptm down` will not find this process: {}",
                    core::from_errno(errno, "fcntl").message);
  }
  const auto text = fmt::format("{}\n", ::getpid());
  if (::ftruncate(descriptor_, 0) != 0 || ::pwrite(descriptor_, text.data(), text.size(), 0) < 0) {
    core::log::warn("node", "lock-pid", "cannot write the pid into the lock file: {}",
                    core::from_errno(errno, "write").message);
  }
}

// -- files ------------------------------------------------------------------------------------------------------------

core::result<std::string> read_private_file(const fs::path& file, std::string_view what) {
  struct stat found {};
  if (::stat(file.c_str(), &found) != 0)
    return core::fail(core::from_errno(errno, fmt::format("{}: cannot read {}", what, file.string())));
  if ((found.st_mode & 0077) != 0) {
    return core::fail(core::errc::permission_denied,
                      fmt::format("{}: others may read {}: run chmod 600 on it", what, file.string()));
  }
  auto text = read_file(file);
  if (!text) return core::fail(what, text.error());
  return text;
}

std::string trimmed(std::string_view text) {
  constexpr std::string_view white = " \t\r\n";
  const auto first = text.find_first_not_of(white);
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(white) + 1 - first));
}

core::result<std::string> read_secret(const fs::path& file, std::string_view what) {
  auto text = read_private_file(file, what);
  if (!text) return core::fail(text.error());
  auto secret = trimmed(*text);
  if (secret.size() < least_secret_bytes) {
    return core::fail(
        core::errc::invalid,
        fmt::format("{}: {} holds {} characters, at least {} are needed: remove it, and `fastptm up` makes "
                    "another, or put the right one there",
                    what, file.string(), secret.size(), least_secret_bytes));
  }
  return secret;
}

core::result<void> write_file(const fs::path& file, std::string_view text, unsigned mode) {
  const auto temporary = fs::path(fmt::format("{}.{}.tmp", file.string(), ::getpid()));
  const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (descriptor < 0) return core::fail(core::from_errno(errno, temporary.string()));
  const bool written = ::write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int number = errno;
  ::close(descriptor);
  if (written && ::rename(temporary.c_str(), file.c_str()) == 0) return {};
  const auto cause = core::from_errno(written ? errno : number, file.string());
  ::unlink(temporary.c_str());
  return core::fail(cause);
}

core::result<std::string> read_file(const fs::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return core::fail(core::from_errno(errno, file.string()));
  std::string text(max_small_file_bytes, '\0');
  const auto length = ::read(descriptor, text.data(), text.size());
  const int number = errno;
  ::close(descriptor);
  if (length < 0) return core::fail(core::from_errno(number, file.string()));
  text.resize(static_cast<size_t>(length));
  return text;
}

} // namespace fastptm::node
