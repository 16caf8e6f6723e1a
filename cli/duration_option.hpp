// The check of options that take a time, such as --deadline: a wrong one is wrong usage.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "cli/inputs.hpp"

namespace fastptm::cli {

inline CLI::Validator is_duration(core::duration_us most_us = longest_duration_us) {
  return {[most_us](const std::string& text) {
            const auto parsed = parse_duration(text, most_us);
            return parsed ? std::string() : parsed.error().message;
          },
          "TIME"};
}

} // namespace fastptm::cli
