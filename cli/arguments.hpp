// The command line as its user wrote it: what stands after an option reaches it unchanged.
#pragma once

#include <CLI/CLI.hpp>

namespace fastptm::cli {

// As app.parse(), whose exceptions it throws, without what CLI11 reads into values: a text in brackets is one text and
// no list, `--text=` is the empty text, and an option that may be repeated takes one value each time, so that it may
// stand before positional arguments.
void parse_arguments(CLI::App& app, int count, const char* const* arguments);

} // namespace fastptm::cli
