// Loads in the Trace Event Format of Chrome, which ui.perfetto.dev opens.
#pragma once

#include <string>
#include <vector>

#include "protocol/reports/loads.hpp"

namespace fastptm::cli {

// A process for every device; in it a track of its loads, one for each stage and one for each source. Where two events of
// a track overlap (loads of one device wait for each other) the later one lies on a further track of that name. Times are
// those of the reports: the clocks of machines, which agree within a machine only.
std::string trace_of(const std::vector<protocol::load_report>& reports);

} // namespace fastptm::cli
