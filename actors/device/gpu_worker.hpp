// GPU_WORKER: owns one device: its arena, which sets lie in it, the runs on them. Carries out orders, in their order.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "actors/device/load_account.hpp"
#include "actors/device/loading_environment.hpp"
#include "actors/device/transfer.hpp"
#include "actors/local.hpp"
#include "engine/batch_runner.hpp"
#include "gpu/device.hpp"
#include "gpu/shard_table.hpp"
#include "protocol/interfaces.hpp"
#include "weights/format/manifest.hpp"

namespace fastptm::actors {

struct gpu_worker_options {
  std::string name;                       // "worker-0/host0"
  gpu::device* device = nullptr;          // outlives the actor
  engine::batch_runner* runner = nullptr; // of that device; outlives the actor
  const loading_environment* environment = nullptr;
  size_t queued_loads = 64;       // the scheduler orders one at a time and device; more is a fault
  size_t batches_on_the_way = 16; // whose inputs have come and whose order has not
};

// A set is in one of three places: sets_ (loading or resident; runs are taken), leaving_ (evicted, failed or abandoned;
// its bytes become free when its runs, its transfer and its readers have ended), or gone. Loads wait until nothing is
// leaving, so an order to evict followed by an order to load needs no answer in between.
class gpu_worker {
public:
  struct set;
  using set_pointer = std::shared_ptr<set>;
  struct load_ended {
    set_pointer of;
    transfer_end end;
  };
  struct shard_verified {
    set_pointer of;
    uint32_t missing = 0; // position in set::missing
  };
  struct part_verified {
    set_pointer of;
    uint32_t missing = 0; // position in set::missing
    uint32_t chunks = 0;  // the shard's first ones
  };
  struct shard_withdrawn {
    set_pointer of;
    core::digest shard;
  };
  struct run_ended {
    core::batch_id batch;
    core::result<engine::run_result> result;
  };
  // A resident shard whose bytes are not what was verified. They come anew, to the same place, as soon as nobody reads
  // there any more; runs that need them wait meanwhile.
  struct repair {
    core::digest shard;
    set_pointer through;   // has it, so that the store and peers can be asked for it
    gpu::held_shard place; // with a reference of its own
    uint32_t readers = 0;  // runs that began before, and peers
    uint32_t attempts = 0; // that failed
    core::time_us next_us = 0;
  };
  using repair_pointer = std::shared_ptr<repair>;
  struct shard_damaged {
    core::digest shard;
    uint64_t region = 0; // under which it was exported
    weights::wrong_chunk what;
  };
  struct reader_left {
    repair_pointer of;
  };
  struct shard_repaired {
    repair_pointer of;
  };
  struct repairs_ended {
    transfer_end end;
  };
  struct holdings_due {};
  using interface =
      protocol::gpu_worker_actor::extend<protocol::takes<local<load_ended>>, protocol::takes<local<shard_verified>>,
                                         protocol::takes<local<part_verified>>, protocol::takes<local<shard_withdrawn>>,
                                         protocol::takes<local<run_ended>>, protocol::takes<local<shard_damaged>>,
                                         protocol::takes<local<reader_left>>, protocol::takes<local<shard_repaired>>,
                                         protocol::takes<local<repairs_ended>>, protocol::takes<local<holdings_due>>,
                                         protocol::takes<protocol::tick_atom>>;
  static constexpr const char* actor_name = "fastptm.gpu_worker";

  gpu_worker(interface::pointer self, gpu_worker_options options);
  interface::behavior_type make_behavior();

  struct set {
    protocol::model_key key;
    weights::manifest manifest;
    models::model_facts facts; // of its architecture
    core::digest digest;
    std::vector<gpu::held_shard> shards; // as in the manifest
    std::vector<uint32_t> missing;       // positions of those that this load brings
    uint64_t foreign_bytes = 0;          // of the others: there for models of other tenants only
    uint32_t foreign_chunks = 0;
    protocol::load_order order;
    load_times times;
    core::duration_us hidden_us = 0; // of its load: the device computed meanwhile
    caf::typed_response_promise<protocol::load_reply> loaded;
    protocol::transfer_actor transfer; // while loading
    bool resident = false;
    uint32_t runs = 0;
    core::time_us first_layer_us = 0, first_result_us = 0; // of the first run; 0: none has ended
    std::optional<protocol::load_report> untold;           // of its load
    std::optional<protocol::load_report> told;             // told again when it has left
    uint64_t used = 0;                                     // order of last use
    // While leaving:
    bool releasing = false;
    size_t unreleased = 0;
    uint64_t freed_bytes = 0;
    std::vector<caf::typed_response_promise<uint64_t>> evicted;
  };

private:
  struct waiting_run {
    protocol::run_order order;
    std::vector<protocol::payload> inputs;
    caf::typed_response_promise<protocol::run_reply> promise;
  };
  struct queued_load {
    protocol::load_order order;
    caf::typed_response_promise<protocol::load_reply> promise;
    core::time_us ordered_us = 0;
    std::vector<waiting_run> runs; // ordered while it waits: at most one per lane
    core::time_us room_us = 0;     // since when it waits only for what leaves; 0: it waits for more
    core::duration_us hidden_us = 0;
  };
  struct run_entry {
    set_pointer of;
    caf::typed_response_promise<protocol::run_reply> promise;
    std::vector<repair_pointer> spoilt_by; // it may have read what was damaged
    core::time_us submitted_us = 0;
  };

  // -- from the supervisor --------------------------------------------------------------------------------------------
  void on_attach(const protocol::attach_order& order);
  void on_node_lost(const protocol::node_lost& lost);
  void on_stop();

  // -- from the scheduler ---------------------------------------------------------------------------------------------
  caf::result<protocol::load_reply> on_load(const protocol::load_order& order);
  void on_cancel(core::load_id load);
  caf::result<uint64_t> on_evict(const protocol::evict_order& order);
  void on_inputs(const protocol::batch_inputs& part);
  caf::result<protocol::run_reply> on_run(const protocol::run_order& order);

  // -- completions ----------------------------------------------------------------------------------------------------
  void on_load_ended(const load_ended& ended);
  void learn(const weights::load_report& report);
  void on_shard_verified(const shard_verified& verified);
  void on_part_verified(const part_verified& part);
  void on_shard_withdrawn(const shard_withdrawn& withdrawn);
  void on_run_ended(const run_ended& ended);

  void submit(const set_pointer& of, waiting_run run);
  void deliver(const run_ended& ended, run_entry& entry);

  // -- loading --------------------------------------------------------------------------------------------------------
  static void drop(queued_load& load, const core::error& why);
  void go_on();
  void note_what_is_waited_for();
  void start_next_load();
  void start_load(queued_load next);
  void load_again(set_pointer held, queued_load next);
  core::result<void> acquire_shards(set& of);
  bool is_own(const set& of, const core::digest& shard) const;
  transfer_options transfer_for(const set& of) const;
  void start_transfer(const set_pointer& of);
  void finish_load(const set_pointer& of);
  void abandon(set_pointer of, const core::error& why);

  // -- leaving --------------------------------------------------------------------------------------------------------
  void leave(const set_pointer& of);
  void release_if_idle(const set_pointer& of);
  void release_shard(const set_pointer& of, const core::digest& shard);
  void quit_if_empty();

  // -- repairing (gpu_worker_repairs.cpp) -----------------------------------------------------------------------------
  void on_suspect(const protocol::suspect& doubted);
  void on_shard_damaged(const shard_damaged& damaged);
  void on_reader_left(const reader_left& left);
  void on_shard_repaired(const shard_repaired& repaired);
  void on_repairs_ended(const repairs_ended& ended);
  set_pointer set_with(const core::digest& shard) const;
  repair_pointer begin_repair(const core::digest& shard, const set_pointer& through);
  void start_repairs();
  void start_repairs_of(const set& through, std::vector<repair_pointer> ready);
  bool is_wanted(const repair& of) const;
  void drop_unwanted_repairs();
  void cancel_repairs();
  bool repairs_hold_back_loads() const;

  // -- telling --------------------------------------------------------------------------------------------------------
  void report_device();
  void report_all_holdings();
  void report_holding(const core::digest& shard);
  void on_holdings_due();
  void send_holdings();
  void report_load(set& of, const core::result<void>& outcome, const weights::load_report& report);
  void note_computed(const computing& batch);
  void note_first_run(set& of, core::time_us first_layer_us);
  void send_report(set& of);
  void report_left(set& of);
  protocol::shard_location& export_shard(const gpu::held_shard& shard, const weights::shard_entry& entry);
  void export_whole(const gpu::held_shard& shard, const weights::shard_entry& entry);

  interface::pointer self_;
  const gpu_worker_options options_;
  gpu::shard_table table_;

  protocol::registration_id registration_;
  protocol::directory_actor directory_;
  protocol::scheduler_actor scheduler_;
  protocol::weight_store_actor weight_store_;
  protocol::peer_row store_;
  policy::link_rates rates_; // as the head has calibrated and as this device's loads have seen

  std::map<core::model_id, set_pointer> sets_;
  std::set<set_pointer> leaving_;
  set_pointer loading_; // one at a time
  std::deque<queued_load> queue_;
  std::map<core::batch_id, std::vector<protocol::payload>> inputs_; // of orders to come
  std::unordered_map<core::batch_id, run_entry> runs_;
  core::time_us last_run_end_us_ = 0;
  std::unordered_map<core::digest, protocol::shard_location> exported_;
  std::set<core::digest> unreported_; // of those, that the directory does not know of yet
  core::time_us reported_us_ = 0;     // the last time that it heard of any
  bool holdings_due_ = false;         // a timer is set
  std::map<core::digest, repair_pointer> repairs_;
  std::vector<repair_pointer> repairing_;    // those whose bytes are on their way
  protocol::transfer_actor repair_transfer_; // while they are
  uint64_t damaged_shards_ = 0, repaired_shards_ = 0;
  uint64_t uses_ = 0;
  bool stopping_ = false;
};

} // namespace fastptm::actors
