// What a running node leaves in DIR/run for others on the same host: who it is and where it listens.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/error.hpp"

namespace fastptm::node {

struct node_record {
  std::string name;
  int64_t pid = 0;
  std::vector<std::string> roles;
  // Of the head only; numeric, as core::parse_network_address() takes it.
  std::string control;
  std::string gateway;
  std::string admin;
  std::string http;
  std::string gateway_tls = {}; // empty: the gateway has no TLS
};

// DIR/run/NAME.json, replaced at once.
core::result<void> write_record(const std::filesystem::path& run_folder, const node_record& record);
core::result<node_record> read_record(const std::filesystem::path& file);
// The record of the node that is head; unavailable when no head has run on this host.
// It may be stale: connecting tells.
core::result<node_record> find_head(const std::filesystem::path& run_folder);

} // namespace fastptm::node
