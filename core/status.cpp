// Names of statuses.
#include "core/status.hpp"

#include "core/error_table.hpp"

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
  return row_of(code).seen_as;
}

} // namespace fastptm::core
