// What a source that refuses a fetch says, as an asker reads it.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/error.hpp"

namespace fastptm::transport {

// What a peer may have written into a field, for one of ours.
core::errc known_code(uint64_t number);

// Goes behind the name of the peer.
std::string_view explain_refusal(core::errc code);

} // namespace fastptm::transport
