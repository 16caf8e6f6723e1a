// What a stage of a load took: its parts lie apart in the report.
#pragma once

#include <cstdint>
#include <string_view>

#include "protocol/reports/loads.hpp"

namespace fastptm::protocol {

// Microseconds, all parts of that name together; 0: there is none.
inline int64_t time_of(const load_report& report, std::string_view stage) {
  int64_t sum_us = 0;
  for (const auto& part : report.stages)
    if (part.name == stage) sum_us += part.end_us - part.start_us;
  return sum_us;
}

} // namespace fastptm::protocol
