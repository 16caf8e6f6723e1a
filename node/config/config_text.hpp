// Reads Cap'n Proto text of type schemas/config.capnp: the only place that knows the schema parser.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <capnp/message.h>

#include "core/error.hpp"
#include "schemas/config.capnp.h"

namespace fastptm::node {

// A fault in a text, at a line counted from 1 (0: the file as a whole).
struct text_fault {
  unsigned line = 0;
  std::string message;
};

// Parses `text` and copies its constant `cluster` into `target`.
// Empty when all is well, else every fault the parser found.
std::vector<text_fault> read_config_text(std::string_view text, std::string_view display_name,
                                         capnp::MallocMessageBuilder& target);

} // namespace fastptm::node
