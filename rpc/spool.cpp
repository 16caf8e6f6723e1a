// Files below the spool.
#include "rpc/spool.hpp"

#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/log.hpp"
#include "core/random.hpp"

namespace fastptm::rpc {

namespace {

constexpr uint32_t max_files = 64; // a sharded model with its tokenizer; the largest published ones have about 50
constexpr size_t max_path_bytes = 200;

bool is_safe_part(std::string_view part) {
  return !part.empty() && part != "." && part != ".." && part.find('\0') == part.npos;
}

// At most FOLDER/FILE, both plain names.
bool is_safe(std::string_view relative) {
  if (relative.size() > max_path_bytes) return false;
  const auto slash = relative.find('/');
  if (slash == relative.npos) return is_safe_part(relative);
  const auto file = relative.substr(slash + 1);
  return is_safe_part(relative.substr(0, slash)) && is_safe_part(file) && file.find('/') == file.npos;
}

} // namespace

spooled_folder::spooled_folder(std::filesystem::path path, uint64_t most_bytes,
                               std::shared_ptr<std::atomic<uint32_t>> open)
    : path_(std::move(path)), most_bytes_(most_bytes), open_(std::move(open)) {
  open_->fetch_add(1);
}

spooled_folder::~spooled_folder() {
  std::error_code trouble;
  std::filesystem::remove_all(path_, trouble);
  if (trouble) core::log::warn("rpc", "spool-left", "{}: cannot be removed: {}", path_.string(), trouble.message());
  open_->fetch_sub(1);
}

core::result<int> spooled_folder::create(std::string_view relative, uint64_t size_bytes) {
  if (!is_safe(relative)) {
    return core::fail(core::errc::invalid,
                      fmt::format("file name '{}': use FILE or FOLDER/FILE", core::printable(relative, 100)));
  }
  if (++files_ > max_files) {
    return core::fail(
        core::errc::invalid,
        fmt::format("more than {} files in one upload: leave out what is no part of the model", max_files));
  }
  if (size_bytes > most_bytes_ - announced_bytes_) {
    return core::fail(core::errc::quota_exceeded,
                      fmt::format("the upload is larger than {} MiB: raise gateway.maxUploadMib", most_bytes_ >> 20));
  }
  announced_bytes_ += size_bytes;
  const auto file = path_ / relative;
  ::mkdir(file.parent_path().c_str(), 0700); // exists, mostly
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (descriptor < 0) return core::fail(core::from_errno(errno, core::printable(relative, 100)));
  return descriptor;
}

core::result<std::shared_ptr<spooled_folder>> open_upload(const spool_limits& limits,
                                                          std::shared_ptr<std::atomic<uint32_t>> open) {
  if (open->load() >= limits.uploads) {
    return core::fail(core::errc::quota_exceeded,
                      fmt::format("{} uploads are running already: try again later", limits.uploads));
  }
  const auto path = limits.folder / fmt::format("{:016x}", core::true_random_u64());
  if (::mkdir(path.c_str(), 0700) != 0)
    return core::fail(core::from_errno(errno, "cannot make a folder for the upload"));
  return std::make_shared<spooled_folder>(path, limits.upload_bytes, std::move(open));
}

core::result<void> append(int descriptor, std::span<const unsigned char> bytes) {
  while (!bytes.empty()) {
    const auto n = ::write(descriptor, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return core::fail(core::from_errno(errno, "cannot store the upload"));
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return {};
}

} // namespace fastptm::rpc
