// The inputs of `embed`, `classify` and `tokenize`: from the command line, a file of lines, or a JSON file of ids.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "clients/cpp/client.hpp"
#include "core/error.hpp"

namespace fastptm::cli {

struct input_options {
  std::vector<std::string> texts;
  std::string lines_file;
  std::string ids_file;
  std::string pairs_file = {}; // of `classify`
  std::string prompt = {};     // the name of the model's prompt that stands before texts
};

// At least one input, at most 100,000; errors name the file and the place in it.
core::result<std::vector<clients::input>> read_inputs(const input_options& from);

struct one_or_two_texts {
  std::string first;
  std::optional<std::string> second;
};

// A JSON list of strings, or of pairs of strings, or of both.
core::result<std::vector<one_or_two_texts>> read_strings(const std::string& file);

// An hour.
constexpr core::duration_us longest_duration_us = 3'600'000'000;
// "500ms", "3s", "1.5s", "250us", "5min", "1h"; more than 0, at most as said.
core::result<core::duration_us> parse_duration(const std::string& text,
                                               core::duration_us most_us = longest_duration_us);

} // namespace fastptm::cli
