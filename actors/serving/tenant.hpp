// TENANT: knows the models of one tenant, admits its requests, and answers each exactly once.
#pragma once

#include <map>
#include <set>
#include <string>

#include "core/clock.hpp"
#include "core/metrics.hpp"
#include "policy/admission.hpp"
#include "protocol/interfaces.hpp"

namespace fastptm::actors {

struct tenant_options {
  core::tenant_id id;
  std::string name;
  policy::tenant_limits limits;
  core::duration_us default_deadline_us = 3'000'000;
  const core::clock* clock = nullptr;
  core::metrics_registry* metrics = nullptr; // may be null
  protocol::scheduler_actor scheduler;
};

class tenant {
public:
  using interface = protocol::tenant_actor;
  static constexpr const char* actor_name = "fastptm.tenant";

  tenant(interface::pointer self, tenant_options options);
  interface::behavior_type make_behavior();

private:
  struct pending {
    caf::typed_response_promise<protocol::infer_reply> promise;
    core::time_us arrival_us = 0;
    core::time_us deadline_us = 0;
    uint64_t call = 0;                   // of its latest try
    std::string key;                     // empty: none
    uint64_t content = 0;                // a hash of what is asked: a key means one request
    protocol::part_receiver_actor parts; // of its latest try; may be none
  };

  // -- from the gateway -----------------------------------------------------------------------------------------------
  caf::result<protocol::infer_reply> on_infer(const protocol::infer_request& request);
  void on_cancel(uint64_t call);
  caf::result<protocol::model_row> on_find(const std::string& name) const;
  protocol::model_list on_list() const;

  // -- from the weight store ------------------------------------------------------------------------------------------
  void on_model(const protocol::model_added& added);
  void on_model_removed(const protocol::model_removed& removed);
  void on_model_unreadable(const protocol::model_unreadable& unreadable);
  void note_newest(const std::string& name);

  // -- from the scheduler ---------------------------------------------------------------------------------------------
  void on_part(protocol::answer_part part);
  void on_reply(uint64_t ticket, protocol::infer_reply reply);
  void on_no_reply(uint64_t ticket, const core::error& why);

  void on_stop();
  caf::result<protocol::infer_reply> take_over(uint64_t ticket, const protocol::infer_request& request);
  void answer(uint64_t ticket, protocol::infer_reply reply);
  pending forget(uint64_t ticket);
  // "acme/minilm@1", or without tenant, or without version: the newest. not_found, permission_denied, corrupt.
  core::result<const protocol::model_row*> find_model(const std::string& name) const;

  interface::pointer self_;
  const tenant_options options_;
  policy::admission admission_;
  std::map<std::string, protocol::model_row> models_; // by full name
  std::set<std::string> unreadable_;                  // published, and damaged: full names
  std::map<std::string, std::string> newest_;         // "acme/minilm" -> "acme/minilm@2", of both
  std::map<uint64_t, pending> pending_;               // by ticket; bounded by admission
  std::map<uint64_t, uint64_t> calls_;                // tickets by the call that waits for each: as many
  std::map<std::string, uint64_t> keys_;              // tickets by key: not more
  uint64_t last_ticket_ = 0;
  core::histogram* total_us_ = nullptr;
};

} // namespace fastptm::actors
