// What every subcommand prints the same way: one error line, progress, JSON lines.
#pragma once

#include <string_view>

#include "core/error.hpp"

namespace fastptm::cli {

// `fastptm: TEXT` on stderr, without control characters; lines of a text with several stay lines. Returns exit code 1.
int failed(const core::error& cause);

// One line on stdout.
void print_line(std::string_view line);

// One line on stderr, for people.
void say(std::string_view line);

} // namespace fastptm::cli
