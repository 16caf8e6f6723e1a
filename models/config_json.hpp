// Reading config.json as the transformers library does, with its defaults.
// Refuses what would make the same tensors mean something else.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/task.hpp"
#include "models/encoder/config.hpp"

namespace fastptm::models {

// "config.json: why", errc::invalid.
tl::unexpected<core::error> fail_config(std::string_view why);

// A value as a message shows it: text in quotes, anything else by its kind.
std::string quoted(const core::json_value& value);

// null, {} or [].
bool is_empty(const core::json_value& value);

// A number that a family needs: its key, where it goes, the library's value for a file without it, its bounds.
struct count_key {
  std::string_view key;
  uint32_t& field;
  uint32_t by_default;
  uint32_t most;
  uint32_t least = 1;
};

// Reads them in order; what is missing gets its default and is noted as "key value" in `defaults`.
core::result<void> read_counts(const core::json_value& config, std::span<const count_key> keys,
                               std::vector<std::string>& defaults);

// errc::invalid unless the width can be divided among the heads.
core::result<void> check_heads(std::string_view width_key, uint32_t width, std::string_view heads_key, uint32_t heads);

// Leaves `act` alone when the key is not there.
core::result<void> read_activation(const core::json_value& config, std::string_view key, encoder::activation& act);

// The same for a number between 0 and 1.
core::result<void> read_epsilon(const core::json_value& config, std::string_view key, double& epsilon);

// Decoders, cross attention, pruned heads, quantised weights, code of the folder's own, other element types.
core::result<void> refuse_variants(const core::json_value& config);

// Which task the class in `architectures` has. A file without it describes the body.
struct served_classes {
  std::string_view classifier;
  std::span<const std::string_view> encoders; // the body alone, or with heads that serving leaves out
};
core::result<core::task_kind> read_class(const core::json_value& config, const served_classes& served);

} // namespace fastptm::models
