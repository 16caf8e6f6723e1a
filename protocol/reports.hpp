// Lists of loads, as the directory tells them.
#pragma once

#include <vector>

#include "protocol/fields.hpp"
#include "protocol/reports/loads.hpp"

namespace fastptm::protocol {

struct running_list {
  std::vector<running_load> rows; // at most one per device
};
FASTPTM_FIELDS(running_list, rows)

struct load_list {
  std::vector<load_report> rows; // newest last
};
FASTPTM_FIELDS(load_list, rows)

} // namespace fastptm::protocol
