// The text of the schema files that a configuration may import, compiled into the program.
#pragma once

#include <string_view>

namespace fastptm::node {

extern const std::string_view config_schema_text;   // /schemas/config.capnp
extern const std::string_view cxx_annotations_text; // /capnp/c++.capnp

} // namespace fastptm::node
