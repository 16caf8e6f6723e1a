// What config.json says about a classifier's outputs: their names, and what their scores mean.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/json.hpp"
#include "weights/format/usage.hpp"

namespace fastptm::weights {

struct label_config {
  std::vector<std::string> names; // of id2label, by index; empty if config.json has none
  uint32_t count = 0;             // by id2label or num_labels; 0: neither is there
  std::string problem_type;       // empty if config.json has none
};

// errc::invalid naming the key: ids that are not 0 to n-1, names that are no text or too long, an unknown problem_type.
core::result<label_config> read_label_config(const core::json_value& config);

// Names and meaning of the outputs of a classifier with so many rows; LABEL_0, LABEL_1, ... where config.json names
// none, as the library has it. errc::invalid when config.json means another number of labels.
core::result<void> describe_labels(const label_config& config, uint32_t rows, usage& how);

} // namespace fastptm::weights
