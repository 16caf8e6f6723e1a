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
  // Of the head only; host:port.
  std::string control;
  std::string gateway;
  std::string admin;
  std::string http;
};

// DIR/run/NAME.json, replaced at once.
core::result<void> write_record(const std::filesystem::path& run_folder, const node_record& record);
core::result<node_record> read_record(const std::filesystem::path& file);
// The record of the node that is head; unavailable when no head has run on this host. It may be stale: connecting
// tells.
core::result<node_record> find_head(const std::filesystem::path& run_folder);

// "127.0.0.1:7600" in two parts; invalid otherwise.
struct host_and_port {
  std::string host;
  uint16_t port = 0;
};
core::result<host_and_port> split_address(const std::string& address);

} // namespace fastptm::node
