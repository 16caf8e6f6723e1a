// SCHEDULER: tells the scheduling core what happens and carries out what it answers. Decides nothing itself.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "actors/serving/scheduler_metrics.hpp"
#include "core/clock.hpp"
#include "policy/scheduling/core.hpp"
#include "protocol/interfaces.hpp"

namespace fastptm::actors {

struct scheduled_tenant {
  core::tenant_id id;
  std::string name;
  uint32_t share = 1;
  policy::scheduling::late_rule late = policy::scheduling::late_rule::serve;
};

struct scheduler_options {
  policy::scheduling::options core;
  std::vector<scheduled_tenant> tenants;
  uint32_t queued = 65'536;                       // requests accepted and not answered, all tenants together
  core::duration_us load_timeout_us = 30'000'000; // without progress of a load
  core::duration_us run_timeout_us = 60'000'000;  // of one batch that has its set on a device that is alive
  std::string store_boot_id;                      // the host whose memory has what was published
  const core::clock* clock = nullptr;
  core::metrics_registry* metrics = nullptr; // may be null
};

// Owns every accepted request until it is answered. A device that is lost has its requests queued again by the core in
// the same moment; answers that come later from it are recognised by their batch and ignored.
class scheduler {
public:
  using interface = protocol::scheduler_actor::extend<protocol::takes<protocol::decide_atom>,
                                                      protocol::takes<protocol::tick_atom, uint64_t>>;
  static constexpr const char* actor_name = "fastptm.scheduler";

  // Requires: the options suit make_core.
  scheduler(interface::pointer self, scheduler_options options);
  interface::behavior_type make_behavior();

private:
  struct slot {
    uint32_t generation = 0;
    bool used = false;
    caf::typed_response_promise<protocol::infer_reply> promise;
    core::tenant_id tenant;
    uint64_t ticket = 0;
    uint32_t model = 0;
    core::time_us arrival_us = 0;
    core::time_us deadline_us = 0;
    core::batch_id batch; // 0: queued
    protocol::payload input;
    protocol::tenant_actor asker; // wants parts of the answer; usually none
  };
  struct model_entry {
    protocol::model_row row;
    protocol::payload manifest;
    std::string load_error; // of the last load, if it failed
    std::vector<core::digest> shards;
    std::vector<uint32_t> distinct; // positions in `shards`, without repetitions: what the core knows of
    bool is_removed = false;        // taken back; its place is free when nothing uses it any more
    caf::typed_response_promise<bool> unused;
  };
  struct shard_use {
    uint32_t index = 0;
    uint32_t models = 0; // that consist of it
  };
  struct load_entry { // of a model on a device
    core::load_id id;
    core::time_us start_us = 0;
    core::time_us end_us = 0;    // 0: under way
    core::time_us served_us = 0; // when a batch was answered with it first: what a batch needs was there
  };
  struct device_entry {
    std::string name, node;
    bool present = false;
    protocol::registration_id registration;
    protocol::gpu_worker_actor worker;
    std::unordered_map<uint32_t, load_entry> loads; // by model: how it came to be there
    std::unordered_map<uint32_t, uint32_t> leaving; // by model: orders to evict it that are not answered
  };
  struct batch_entry {
    uint32_t device = 0;
    uint32_t model = 0;
    core::load_id waits_for;
    core::time_us start_us = 0;
    std::vector<policy::scheduling::request_ref> requests;
    std::vector<protocol::payload> outputs;
  };

  // -- from tenants ---------------------------------------------------------------------------------------------------
  caf::result<protocol::infer_reply> on_request(const protocol::schedule_request& request);
  void on_cancel(core::tenant_id tenant, uint64_t ticket);

  // -- from the weight store and the directory ------------------------------------------------------------------------
  void on_model(const protocol::model_added& added);
  caf::result<bool> on_model_removed(const protocol::model_removed& removed);
  void on_device_joined(const protocol::device_joined& joined);
  void on_device_lost(const protocol::device_lost& lost);
  void on_cordon(const std::string& device, bool on);

  // -- from gpu_workers -----------------------------------------------------------------------------------------------
  void on_loaded(uint32_t device, uint32_t model, core::load_id load, const protocol::load_reply& reply);
  void on_load_failed(uint32_t device, uint32_t model, core::load_id load, const core::error& why);
  void on_outputs(const protocol::batch_outputs& part);
  void on_part(protocol::batch_part part);
  void on_run(core::batch_id batch, const protocol::run_reply& reply);
  void on_run_failed(core::batch_id batch, const core::error& why);

  // -- from administrators, timers ------------------------------------------------------------------------------------
  caf::result<uint64_t> on_evict(const std::string& device, const std::string& model);
  caf::result<protocol::explanation> on_explain(const std::string& model);
  protocol::plan_list on_plans();
  void on_timer(uint64_t timer);
  void on_stop();

  // -- the core -------------------------------------------------------------------------------------------------------
  // What comes often is only noted: when all messages that wait now have been seen, the core decides once, knowing all.
  void note(const policy::scheduling::event& what);
  // Decides upon what was noted. Every handler that changes what commands rely on, or reads the core, begins with it.
  void decide();
  // Decides at once. Requires: nothing is noted.
  policy::scheduling::rejection tell(const policy::scheduling::event& what);
  void carry_out_all();
  void carry_out(const policy::scheduling::load& command);
  void carry_out(const policy::scheduling::evict& command);
  void carry_out(const policy::scheduling::run& command);
  void carry_out(const policy::scheduling::set_timer& command);
  void carry_out(const policy::scheduling::refuse& command);

  void order_evict(uint32_t device, uint32_t model);
  void order_evict_unknown(device_entry& from, core::model_id model);
  void evict_ended(uint32_t device, protocol::registration_id registration, uint32_t model);
  void forget_batches(uint32_t device, std::optional<core::load_id> waiting_for);
  void answer(uint32_t slot, protocol::infer_reply reply);
  void note_served(const batch_entry& batch, core::time_us now_us);
  // Whether the set of this batch had answered one before that time.
  bool has_served(const batch_entry& batch, core::time_us before_us) const;
  protocol::account account_of(const slot& request, const batch_entry& batch, const protocol::run_reply& reply) const;
  uint32_t take_slot();
  void set_batch(slot& request, core::batch_id batch); // 0: back to the queue
  void free_slot(uint32_t slot);
  std::string present_devices() const; // "a/host0, b/host0" or "none"
  std::optional<uint32_t> find_model(const std::string& full_name) const;
  // "tenant/name@version", or "tenant/name" for the newest.
  std::optional<uint32_t> find_version(const std::string& name) const;
  uint32_t take_model();
  uint32_t use_shard(const core::digest& shard);
  core::duration_us longest_load_us(const protocol::model_row& model) const;
  core::duration_us patience_us(core::time_us last_deadline_us) const;
  std::optional<std::vector<uint64_t>> places_on(const protocol::device_row& row, size_t resident) const;
  std::vector<uint64_t> planned_places(uint32_t device, uint32_t model) const; // one for every shard of the manifest
  bool is_used(uint32_t model) const;
  void forget_removed();
  void forget_model(uint32_t model);
  protocol::device_plan plan_of(uint32_t device) const;
  uint32_t index_of(const std::string& device);
  uint32_t host_index(const std::string& boot_id);

  interface::pointer self_;
  const scheduler_options options_;
  std::unique_ptr<policy::scheduling::scheduling_core> core_;
  policy::scheduling::commands commands_;
  std::vector<policy::scheduling::event> noted_; // At most most_noted.
  core::time_us noted_us_ = 0;                   // the first of those that are, or were, decided upon
  std::vector<policy::scheduling::rejection> reasons_;

  std::vector<slot> slots_; // grows to options_.queued
  std::vector<uint32_t> free_slots_;
  std::map<std::pair<uint32_t, uint64_t>, uint32_t> tickets_; // (tenant, ticket) -> slot

  std::vector<model_entry> models_;
  std::unordered_map<core::model_id, uint32_t> model_index_;
  std::vector<uint32_t> free_models_;
  std::vector<uint32_t> removed_; // models that something still uses
  std::unordered_map<core::digest, shard_use> shard_index_;
  std::vector<uint32_t> free_shards_;
  std::unordered_map<std::string, uint32_t> cost_class_; // by architecture
  std::vector<device_entry> devices_;
  std::unordered_map<std::string, uint32_t> device_index_;
  std::unordered_map<std::string, uint32_t> host_index_;
  std::unordered_map<std::string, uint32_t> hardware_;      // Kinds of device, as they describe themselves.
  std::unordered_map<core::batch_id, batch_entry> batches_; // under way: at most one per lane
  uint64_t last_timer_ = 0;

  size_t queued_ = 0; // Slots that no batch has.
  std::optional<scheduler_metrics> metrics_;
  rejection_log rejections_;
};

protocol::load_reason to_reason(policy::scheduling::load_reason reason);

} // namespace fastptm::actors
