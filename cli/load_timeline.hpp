// One load as a timeline for people: a bar for every stage and source, and what took the time in one sentence.
#pragma once

#include <string>
#include <vector>

#include "protocol/reports/loads.hpp"

namespace fastptm::cli {

// Lines without line ends, plain ASCII; the last one is the verdict.
std::vector<std::string> timeline_of(const protocol::load_report& report);

// "fetch took 31.2 of 43.0 ms (73 %), bounded by tcp from a to b, which reached 93 % of the 1.20 GB/s ...".
std::string verdict_on(const protocol::load_report& report);

} // namespace fastptm::cli
