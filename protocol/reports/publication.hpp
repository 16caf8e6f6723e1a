// What became of a published folder: what `fastptm publish` prints.
#pragma once

#include <cstdint>
#include <string>

#include "core/fields.hpp"

namespace fastptm::protocol {

struct publication {
  std::string model; // "acme/minilm@1"
  uint64_t bytes = 0;
  uint32_t shards = 0;
  uint32_t new_shards = 0; // that no model of the tenant had before
  uint64_t new_bytes = 0;
  std::string architecture;
};
FASTPTM_FIELDS(publication, model, bytes, shards, new_shards, new_bytes, architecture)

} // namespace fastptm::protocol
