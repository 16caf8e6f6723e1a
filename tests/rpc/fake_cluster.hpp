// Doubles of the actors behind the gateway, each answering what a test tells it; a real front end before them.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "actors/system_config.hpp"
#include "clients/cpp/client.hpp"
#include "core/metrics.hpp"
#include "protocol/interfaces.hpp"
#include "rpc/front_end.hpp"

namespace fastptm::rpc {

constexpr const char* acme_token = "token-of-acme";
constexpr const char* globex_token = "token-of-globex"; // which has no models
constexpr const char* admin_token = "token-of-the-operator";

// What the doubles answer; set before requests come.
struct script {
  protocol::model_list models;
  protocol::plan_list plans;
  std::string card_file;                  // the path of every model's card
  std::atomic<bool> silent = false;       // tenants never answer
  std::atomic<uint32_t> inferences = 0;   // that reached a tenant
  std::atomic<uint32_t> cancelled = 0;    // of them
  std::atomic<uint32_t> publications = 0; // that reached the store
  std::atomic<uint32_t> pings = 0;        // that reached a tenant
  std::atomic<bool> holds_pings = false;  // acme never answers them
  std::atomic<uint32_t> load_lists = 0;   // that the ledger was asked for
  protocol::load_list loads;
  std::atomic<uint32_t> refusals = 0; // requests to refuse for their quota, with a hint of 5 ms
  std::string gone;                   // a model that was taken back
  // Of requests: read them after their answers.
  std::vector<std::string> keys;
  std::vector<int64_t> deadlines;
  std::string last_model;
  protocol::decoded_input last_input;
  std::string last_folder;          // of a publication: read it after its answer
  std::vector<tenant_token> tokens; // good from when an operator has them read again
  uint64_t last_folder_bytes = 0;
  bool last_special_is_text = false;
};

class fake_cluster {
public:
  explicit fake_cluster(front_end_options options = default_options());
  ~fake_cluster();
  fake_cluster(const fake_cluster&) = delete;
  fake_cluster& operator=(const fake_cluster&) = delete;

  // Small bounds, so that tests reach them; ports by the system.
  static front_end_options default_options();

  script& told() { return script_; }
  const front_end_addresses& addresses() const { return face_->addresses(); }
  std::filesystem::path spool() const { return spool_; }
  core::metrics_registry& metrics() { return metrics_; }

  // Several clients of a thread at once share a loop.
  using shared_loop = std::shared_ptr<clients::event_loop>;
  core::result<std::unique_ptr<clients::tenant_client>> connect(const std::string& token = acme_token,
                                                                shared_loop loop = nullptr) const;
  core::result<std::unique_ptr<clients::admin_client>> connect_admin(const std::string& token = admin_token,
                                                                     shared_loop loop = nullptr) const;

private:
  script script_;
  std::filesystem::path spool_;
  core::metrics_registry metrics_;
  actors::system_config settings_{2};
  std::unique_ptr<caf::actor_system> system_;
  std::vector<caf::actor> spawned_;
  std::unique_ptr<front_end> face_;
};

} // namespace fastptm::rpc
