// One text for each code.
#include "transport/refusals.hpp"

namespace fastptm::transport {

core::errc known_code(uint64_t number) {
  return number >= 1 && number <= static_cast<uint64_t>(core::errc::internal) ? static_cast<core::errc>(number)
                                                                              : core::errc::internal;
}

std::string_view explain_refusal(core::errc code) {
  switch (code) {
    case core::errc::permission_denied:
      return "refused us: the cluster secrets differ";
    case core::errc::version_mismatch:
      return "speaks another protocol version or was restarted";
    case core::errc::not_found:
      return "does not export this any more";
    case core::errc::busy:
      return "has a full queue";
    default:
      return "refused the fetch";
  }
}

} // namespace fastptm::transport
