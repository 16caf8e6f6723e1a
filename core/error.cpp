// Names of codes and the translation of errno.
#include "core/error.hpp"

#include <cerrno>
#include <system_error>
#include <utility>

#include "core/error_table.hpp"

namespace fastptm::core {

std::string_view to_string(errc code) noexcept {
  return row_of(code).name;
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
