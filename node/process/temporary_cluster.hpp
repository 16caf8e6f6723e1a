// A real cluster of processes for the length of one measurement or test: its folder goes when it goes.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "core/error.hpp"
#include "node/config/config.hpp"
#include "node/process/up.hpp"
#include "node/state_folder.hpp"

namespace fastptm::node {

// Started and stopped by the main thread: its nodes die with it. Nothing restarts a node that ends meanwhile.
class temporary_cluster {
public:
  // `config_text` as in a configuration file. An error says which node could not start and the last line of its log.
  static core::result<std::unique_ptr<temporary_cluster>> start(std::string_view config_text);
  ~temporary_cluster();
  temporary_cluster(const temporary_cluster&) = delete;
  temporary_cluster& operator=(const temporary_cluster&) = delete;

  std::filesystem::path state() const { return folder_ / "state"; }
  // For whoever needs a place that goes with the cluster.
  const std::filesystem::path& folder() const { return folder_; }

private:
  explicit temporary_cluster(std::filesystem::path folder) : folder_(std::move(folder)) {}
  core::result<void> run(std::string_view config_text);

  const std::filesystem::path folder_;
  cluster_config config_;
  std::unique_ptr<state_folder> state_;
  std::unique_ptr<node_keeper> keeper_;
};

} // namespace fastptm::node
