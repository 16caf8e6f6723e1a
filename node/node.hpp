// One node of a cluster, from start to ordered stop.
#pragma once

#include <filesystem>
#include <string>

#include "node/config/config.hpp"
#include "node/process/own_log.hpp"
#include "node/process/readiness.hpp"

namespace fastptm::node {

struct node_options {
  cluster_config config;
  std::string name;
  std::filesystem::path state;
};

// Runs until SIGTERM or SIGINT, on the main thread, before any other exists. Reports when the node is ready; an error
// is why it could not become ready.
core::result<void> run_node(const node_options& options, readiness_reporter& reporter, own_log& log);

} // namespace fastptm::node
