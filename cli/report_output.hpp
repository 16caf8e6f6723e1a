// Models, status and loads as tables for people; for programs core/json_fields prints the same structs.
#pragma once

#include <string>
#include <vector>

#include "protocol/reports/loads.hpp"
#include "protocol/reports/status.hpp"

namespace fastptm::cli {

std::string joined(const std::vector<std::string>& texts); // "a, b"; "-" when empty

void print_table(const std::vector<protocol::model_entry>& models);
void print_table(const protocol::cluster_status& status);
void print_table(const std::vector<protocol::load_report>& reports);

} // namespace fastptm::cli
