// Names of statuses, and what errors mean to who asked.
#include "core/status.hpp"

namespace fastptm::core {

std::string_view to_string(status of) noexcept {
  switch (of) {
    case status::ok:
      return "ok";
    case status::late:
      return "late";
    case status::deadline_exceeded:
      return "deadline_exceeded";
    case status::unavailable:
      return "unavailable";
    case status::quota_exceeded:
      return "quota_exceeded";
    case status::refused:
      return "refused";
    case status::not_found:
      return "not_found";
    case status::permission_denied:
      return "permission_denied";
    case status::invalid:
      return "invalid";
  }
  return "unknown";
}

status status_of(errc code) noexcept {
  switch (code) {
    case errc::invalid:
    case errc::already_exists:
      return status::invalid;
    case errc::not_found:
      return status::not_found;
    case errc::permission_denied:
      return status::permission_denied;
    case errc::quota_exceeded:
      return status::quota_exceeded;
    case errc::deadline_exceeded:
    case errc::cancelled:
      return status::deadline_exceeded;
    case errc::does_not_fit:
    case errc::busy:
      return status::refused;
    case errc::unavailable:
    case errc::corrupt:
    case errc::io:
    case errc::disk_full:
    case errc::version_mismatch:
    case errc::internal:
      return status::unavailable;
  }
  return status::unavailable;
}

} // namespace fastptm::core
