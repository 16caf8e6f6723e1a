// The architecture of manifests of format 1, which knew one family: to and from the text that stands for it now.
#pragma once

#include "models/architecture.hpp"
#include "schemas/manifest.capnp.h"

namespace fastptm::weights {

models::architecture read_format_1(schema::Architecture::Reader from);

// Requires: `arch` is what read_format_1 returned.
// Numbers that it cannot have had become zero, so that the encoding differs.
void write_format_1(schema::Architecture::Builder to, const models::architecture& arch);

} // namespace fastptm::weights
