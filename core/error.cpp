// Names of error codes and the translation of errno.
#include "core/error.hpp"

#include <cerrno>
#include <system_error>
#include <utility>

namespace fastptm::core {

std::string_view to_string(errc code) noexcept {
  switch (code) {
    case errc::invalid:
      return "invalid";
    case errc::not_found:
      return "not_found";
    case errc::already_exists:
      return "already_exists";
    case errc::permission_denied:
      return "permission_denied";
    case errc::quota_exceeded:
      return "quota_exceeded";
    case errc::does_not_fit:
      return "does_not_fit";
    case errc::unavailable:
      return "unavailable";
    case errc::deadline_exceeded:
      return "deadline_exceeded";
    case errc::busy:
      return "busy";
    case errc::corrupt:
      return "corrupt";
    case errc::cancelled:
      return "cancelled";
    case errc::io:
      return "io";
    case errc::disk_full:
      return "disk_full";
    case errc::version_mismatch:
      return "version_mismatch";
    case errc::internal:
      return "internal";
  }
  return "unknown";
}

namespace {

errc code_of(int number) noexcept {
  switch (number) {
    case ENOSPC:
    case EDQUOT:
      return errc::disk_full;
    case ENOENT:
      return errc::not_found;
    case EEXIST:
      return errc::already_exists;
    case EACCES:
    case EPERM:
    case EROFS:
      return errc::permission_denied;
    default:
      return errc::io;
  }
}

} // namespace

error from_errno(int number, std::string_view what) {
  auto text = std::string(what) + ": " + std::generic_category().message(number);
  // Limits of a process that its user has set and can raise.
  if (number == EFBIG) text += " (raise `ulimit -f`)";
  if (number == EMFILE) text += " (raise `ulimit -n`)";
  return {code_of(number), std::move(text)};
}

} // namespace fastptm::core
