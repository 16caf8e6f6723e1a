// Errors as values: what went wrong, in terms of what the caller can do about it, and a sentence for people.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

namespace fastptm::core {

// Few, and each means another thing to do. The numbers travel between nodes: never reuse one.
enum class errc : uint8_t {
  invalid = 1,           // The input is wrong and stays wrong: tell the user what and where.
  not_found = 2,         // The name means nothing here.
  already_exists = 3,    // The name is taken.
  permission_denied = 4, // The caller may not do this, whatever it tries.
  quota_exceeded = 5,    // A bound of the configuration is reached: try later or raise it.
  does_not_fit = 6,      // No arena can hold it, even after evicting everything evictable.
  unavailable = 7,       // Something needed is down or not present: another source or a retry may help.
  deadline_exceeded = 8, // Too late to be of use.
  busy = 9,              // Back-pressure: drive again after the next completion.
  corrupt = 10,          // Bytes are not what their checksum says: take them from elsewhere.
  cancelled = 11,        // The caller withdrew it.
  io = 12,               // The operating system refused: the text has its reason.
  disk_full = 13,        // No space left on the device that holds the state folder.
  version_mismatch = 14, // Two builds that do not speak the same protocol.
  internal = 15          // A broken promise inside this program: report it.
};

// The stable lower-case name of a code, e.g. "not_found".
std::string_view to_string(errc code) noexcept;

struct error {
  errc code = errc::internal;
  std::string message; // One line: what, where, and what to do.
};

template <class T> using result = tl::expected<T, error>;

// `return fail(errc::invalid, "config.json: ...")` from any function that returns a result.
inline tl::unexpected<error> fail(errc code, std::string message) {
  return tl::unexpected<error>(error{code, std::move(message)});
}

inline tl::unexpected<error> fail(error cause) {
  return tl::unexpected<error>(std::move(cause));
}

// Puts where it happened in front of what happened.
inline tl::unexpected<error> fail(std::string_view where, const error& cause) {
  return tl::unexpected<error>(error{cause.code, std::string(where) + ": " + cause.message});
}

// An error from errno: disk_full for ENOSPC and EDQUOT, not_found for ENOENT,
// permission_denied for EACCES and EPERM, else io.
error from_errno(int number, std::string_view what);

} // namespace fastptm::core
