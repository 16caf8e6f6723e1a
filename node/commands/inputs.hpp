// The inputs of `embed`, `classify` and `tokenize`: from the command line, a file of lines, or a JSON file of ids.
#pragma once

#include <string>
#include <vector>

#include "core/error.hpp"
#include "rpc/client.hpp"

namespace fastptm::node::commands {

struct input_options {
  std::vector<std::string> texts;
  std::string lines_file;
  std::string ids_file;
};

// At least one input, at most 100,000; errors name the file and the place in it.
core::result<std::vector<rpc::input>> read_inputs(const input_options& from);

// A JSON list of strings.
core::result<std::vector<std::string>> read_strings(const std::string& file);

// "500ms", "3s", "1.5s", "250us"; more than 0, at most an hour.
core::result<core::duration_us> parse_duration(const std::string& text);

} // namespace fastptm::node::commands
