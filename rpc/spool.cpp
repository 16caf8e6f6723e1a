// Files below the spool.
#include "rpc/spool.hpp"

#include <algorithm>
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

spooled_folder::spooled_folder(std::filesystem::path path, const spool_limits& limits, std::shared_ptr<spool_use> use)
    : path_(std::move(path)), most_bytes_(limits.upload_bytes), most_tenant_bytes_(limits.tenant_bytes),
      use_(std::move(use)) {
  ++use_->uploads;
}

spooled_folder::~spooled_folder() {
  std::error_code trouble;
  std::filesystem::remove_all(path_, trouble);
  if (trouble) core::log::warn("rpc", "spool-left", "{}: cannot be removed: {}", path_.string(), trouble.message());
  use_->bytes -= announced_bytes_;
  --use_->uploads;
}

// Announced bytes count, sent or not: a file that has begun can end.
core::result<void> spooled_folder::make_room(uint64_t size_bytes) {
  if (size_bytes > most_bytes_ - announced_bytes_)
    return core::fail(core::errc::quota_exceeded,
                      fmt::format("the upload is larger than {} MiB: raise gateway.maxUploadMib", most_bytes_ >> 20));
  if (size_bytes > most_tenant_bytes_ - std::min(most_tenant_bytes_, use_->bytes.load()))
    return core::fail(core::errc::quota_exceeded,
                      fmt::format("this tenant's uploads together are larger than {} MiB: wait for one of them to end, "
                                  "or raise quotas.maxSpoolMib",
                                  most_tenant_bytes_ >> 20));
  use_->bytes += size_bytes;
  announced_bytes_ += size_bytes;
  return {};
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
  if (auto room = make_room(size_bytes); !room) return core::fail(room.error());
  const auto file = path_ / relative;
  ::mkdir(file.parent_path().c_str(), 0700); // exists, mostly
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (descriptor < 0) return core::fail(core::from_errno(errno, core::printable(relative, 100)));
  return descriptor;
}

core::result<std::shared_ptr<spooled_folder>> upload_spool::open(const std::string& tenant) {
  auto& use = uses_[tenant];
  if (use == nullptr) use = std::make_shared<spool_use>();
  if (use->uploads >= limits_.uploads) {
    return core::fail(core::errc::quota_exceeded,
                      fmt::format("{} uploads of {} are running already: try again later", limits_.uploads, tenant));
  }
  const auto path = limits_.folder / fmt::format("{:016x}", core::true_random_u64());
  if (::mkdir(path.c_str(), 0700) != 0)
    return core::fail(core::from_errno(errno, "cannot make a folder for the upload"));
  return std::make_shared<spooled_folder>(path, limits_, use);
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
