// Converts errors at the border of CAF.
#include "protocol/errors.hpp"

#include <utility>

namespace fastptm::protocol {

namespace {

constexpr auto category = caf::atom("fastptm");

core::error from_sec(caf::sec code) {
  switch (code) {
    case caf::sec::request_timeout:
      return {core::errc::deadline_exceeded, "no answer within the time allowed"};
    case caf::sec::request_receiver_down:
      return {core::errc::unavailable, "the actor asked has ended"};
    case caf::sec::cannot_connect_to_node:
      return {core::errc::unavailable, "cannot connect"};
    case caf::sec::unexpected_actor_messaging_interface:
      return {core::errc::version_mismatch, "the other side speaks another protocol: run the same build everywhere"};
    default:
      return {core::errc::internal, "actor error: " + caf::to_string(code)};
  }
}

} // namespace

caf::error to_caf(const core::error& from) {
  return {static_cast<uint8_t>(from.code), category, caf::make_message(from.message)};
}

core::error from_caf(const caf::error& from) {
  if (from.category() == caf::atom("system")) return from_sec(static_cast<caf::sec>(from.code()));
  if (from.category() != category) return {core::errc::internal, "actor error: " + caf::to_string(from)};
  core::error converted{static_cast<core::errc>(from.code()), {}};
  if (from.context().match_elements<std::string>()) converted.message = from.context().get_as<std::string>(0);
  return converted;
}

} // namespace fastptm::protocol
