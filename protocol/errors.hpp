// The only converter between core::error and caf::error.
#pragma once

#include <caf/all.hpp>

#include "core/error.hpp"

namespace fastptm::protocol {

// Travels between nodes with code and message.
caf::error to_caf(const core::error& from);
inline caf::error to_caf(core::errc code, std::string message) {
  return to_caf(core::error{code, std::move(message)});
}

// CAF's own errors become: a timeout deadline_exceeded, a dead receiver unavailable,
// anything else internal with CAF's text.
core::error from_caf(const caf::error& from);

} // namespace fastptm::protocol
