// How a request ended, in every reply, answer and line of output.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/error.hpp"

namespace fastptm::core {

// The numbers travel (schemas/serving.capnp has the same) and the names are the contract of the command line.
enum class status : uint8_t {
  ok = 0,                // answered in time
  late = 1,              // answered, correct, after its deadline
  deadline_exceeded = 2, // no answer in time; the input may be asked again
  unavailable = 3,       // nothing that could answer is up
  quota_exceeded = 4,    // the tenant's own bound: retry_after_us says when it helps
  refused = 5,           // the cluster is overloaded, or cannot serve this model: retry_after_us says when it helps
  not_found = 6,         // this tenant has no such model
  permission_denied = 7, // not this tenant's
  invalid = 8            // the input can never be answered by this model
};

std::string_view to_string(status of) noexcept;

// What an error means to who asked, by core/error_table.
status status_of(errc code) noexcept;

} // namespace fastptm::core
