// What every error code means, what to do about it, and how it appears to who asked: the only place that says so.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "core/error.hpp"
#include "core/status.hpp"

namespace fastptm::core {

struct error_row {
  errc code;
  std::string_view name;    // stable
  status seen_as;           // by who asked for an answer
  std::string_view meaning; // a sentence
  std::string_view remedy;  // a sentence: what to do, for people
};

// By number, without a gap.
std::span<const error_row> error_table() noexcept;

// Requires: a code of the enumeration.
const error_row& row_of(errc code) noexcept;

// docs/errors.md, which a test compares with this.
std::string errors_as_markdown();

} // namespace fastptm::core
