// open(2) with O_NONBLOCK, fstat(2), pread(2).
#include "weights/import/regular_file.hpp"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "core/log.hpp"

namespace fastptm::weights {

namespace {

// What Git leaves in a clone where Git LFS is not installed; the specification allows at most 1024 bytes.
constexpr std::string_view lfs_pointer_beginning = "version https://git-lfs.github.com/spec/";
constexpr uint64_t max_lfs_pointer_bytes = 1024;

core::result<void> refuse_lfs_pointer(const regular_file& file) {
  if (file.size_bytes() < lfs_pointer_beginning.size() || file.size_bytes() > max_lfs_pointer_bytes) return {};
  std::string beginning(lfs_pointer_beginning.size(), '\0');
  if (auto ok = file.read_at(0, std::as_writable_bytes(std::span(beginning))); !ok) return ok;
  if (beginning != lfs_pointer_beginning) return {};
  return core::fail(core::errc::invalid,
                    fmt::format("{}: a Git LFS pointer of {} bytes, not the file itself: install git-lfs, then run "
                                "`git lfs pull` in the folder, or download the file",
                                file.what(), file.size_bytes()));
}

// The names in download caches are links to files that come later.
core::error cannot_open(int number, const std::filesystem::path& path, const std::string& name) {
  if (number == ENOENT && name_exists(path))
    return {core::errc::invalid,
            name + ": No such file or directory behind this link: the download is not complete, repeat it"};
  return core::from_errno(number, name + ": cannot open the file");
}

} // namespace

regular_file::regular_file(int descriptor, uint64_t size_bytes, std::string what)
    : descriptor_(descriptor), size_bytes_(size_bytes), what_(std::move(what)) {}

regular_file::~regular_file() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

regular_file::regular_file(regular_file&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), size_bytes_(other.size_bytes_), what_(std::move(other.what_)) {
}

regular_file& regular_file::operator=(regular_file&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(size_bytes_, other.size_bytes_);
  std::swap(what_, other.what_);
  return *this;
}

core::result<regular_file> regular_file::open(const std::filesystem::path& path, std::string_view what) {
  const std::string name = core::printable(what, 120);
  // O_NONBLOCK: opening a pipe without a writer would wait for one.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
  if (descriptor < 0) return core::fail(cannot_open(errno, path, name));
  regular_file file(descriptor, 0, name);
  struct stat facts {};
  if (::fstat(descriptor, &facts) != 0) return core::fail(core::from_errno(errno, name + ": cannot read its size"));
  if (!S_ISREG(facts.st_mode)) return core::fail(core::errc::invalid, name + ": not a regular file");
  file.size_bytes_ = static_cast<uint64_t>(facts.st_size);
  if (auto ok = refuse_lfs_pointer(file); !ok) return core::fail(ok.error());
  return file;
}

core::result<void> regular_file::read_at(uint64_t offset_bytes, std::span<std::byte> target) const {
  while (!target.empty()) {
    const ssize_t n = ::pread(descriptor_, target.data(), target.size(), static_cast<off_t>(offset_bytes));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return core::fail(core::from_errno(errno, what_ + ": cannot read"));
    if (n == 0) {
      return core::fail(core::errc::invalid,
                        fmt::format("{}: the file ended at byte {} while it was read", what_, offset_bytes));
    }
    offset_bytes += static_cast<uint64_t>(n);
    target = target.subspan(static_cast<size_t>(n));
  }
  return {};
}

core::result<std::string> read_small_file(const std::filesystem::path& path, std::string_view what,
                                          uint64_t most_bytes) {
  const auto file = regular_file::open(path, what);
  if (!file) return core::fail(file.error());
  if (file->size_bytes() > most_bytes) {
    return core::fail(core::errc::invalid, fmt::format("{}: {} bytes, larger than the limit of {}", file->what(),
                                                       file->size_bytes(), most_bytes));
  }
  std::string text(file->size_bytes(), '\0');
  if (auto ok = file->read_at(0, std::as_writable_bytes(std::span(text))); !ok) return core::fail(ok.error());
  return text;
}

bool name_exists(const std::filesystem::path& path) {
  struct stat facts {};
  return ::lstat(path.c_str(), &facts) == 0;
}

} // namespace fastptm::weights
