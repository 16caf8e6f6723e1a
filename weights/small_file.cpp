// Opens without blocking (a pipe would), looks at what it is, then reads up to the bound.
#include "weights/small_file.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

namespace fastptm::weights {
namespace {

struct open_file {
  int descriptor;
  ~open_file() {
    if (descriptor >= 0) ::close(descriptor);
  }
};

} // namespace

core::result<std::string> read_small_file(const std::filesystem::path& file, std::string_view name, size_t max_bytes) {
  const open_file in{::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)};
  if (in.descriptor < 0) return core::fail(core::from_errno(errno, name));
  struct stat status {};
  if (::fstat(in.descriptor, &status) != 0) return core::fail(core::from_errno(errno, name));
  if (!S_ISREG(status.st_mode)) return core::fail(core::errc::invalid, fmt::format("{}: not a regular file", name));

  std::string text;
  // One byte more than the bound, so that a longer file is noticed even if it grows while we read.
  text.resize(std::min(static_cast<size_t>(status.st_size), max_bytes) + 1);
  size_t filled = 0;
  while (filled < text.size()) {
    const ssize_t n = ::read(in.descriptor, text.data() + filled, text.size() - filled);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return core::fail(core::from_errno(errno, name));
    if (n == 0) break;
    filled += static_cast<size_t>(n);
  }
  if (filled > max_bytes || static_cast<uint64_t>(status.st_size) > max_bytes)
    return core::fail(core::errc::invalid, fmt::format("{}: larger than the limit of {} bytes", name, max_bytes));
  if (filled == text.size())
    return core::fail(core::errc::invalid, fmt::format("{}: grew while it was read: publish a finished folder", name));
  text.resize(filled);
  return text;
}

} // namespace fastptm::weights
