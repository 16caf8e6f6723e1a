// Starts the nodes of this host, keeps them running, stops them in order: what `fastptm up` does.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "node/config/config.hpp"
#include "node/process/child_process.hpp"
#include "node/process/own_log.hpp"
#include "node/process/readiness.hpp"
#include "node/process/restart_policy.hpp"
#include "node/state_folder.hpp"

namespace fastptm::node {

struct up_options {
  std::filesystem::path config_file;
  core::duration_us start_timeout_us = 30'000'000; // until every node is ready for the first time
  own_log log{{}};                                 // of this process
};

// One per `up`, on the main thread, which has SIGCHLD, SIGTERM, SIGINT and SIGHUP blocked. Its children die with it.
class node_keeper {
public:
  using progress = std::function<void(std::string_view)>;

  node_keeper(const cluster_config& config, const state_folder& folder, up_options options, progress say);
  ~node_keeper();
  node_keeper(const node_keeper&) = delete;
  node_keeper& operator=(const node_keeper&) = delete;

  // Starts every node of this host; done when all are ready. Otherwise nothing runs any more, and the error says why:
  // cancelled when a signal came first.
  core::result<void> start();

  // Restarts what ends until a signal asks to stop; then stops everything. After a successful start(). A SIGHUP goes on
  // to the nodes, which open their logs again.
  void keep();

private:
  struct kept_node {
    const node_config* config = nullptr;
    pid_t pid = 0;
    int readiness = -1;
    readiness_parser parser;
    restart_policy restarts;
    core::time_us started_at_us = 0;
    core::time_us ready_at_us = 0;   // 0: not ready
    core::time_us restart_at_us = 0; // 0: none planned
  };

  void find_own_nodes();
  void launch(kept_node& node);
  void on_ended(kept_node& node, int status);
  void on_readiness(kept_node& node);
  void reap();
  void signal_all(int number) const;
  bool on_hang_up();
  // Waits for something to happen and handles it; false when a signal asks to stop.
  bool step(core::time_us until_us);
  void stop();
  bool all_ready() const;
  void fail_start(std::string why);

  const cluster_config& config_;
  const state_folder& folder_;
  up_options options_;
  const progress say_;
  int signals_ = -1;
  std::vector<kept_node> nodes_;
  bool starting_ = true;
  bool stopping_ = false;
  std::optional<std::string> start_failure_;
};

} // namespace fastptm::node
