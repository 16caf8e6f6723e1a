// TRANSFER: finds sources for one load and keeps its loader supplied until every shard is there or no source is left.
#pragma once

#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "actors/device/loading_environment.hpp"
#include "actors/local.hpp"
#include "policy/staging.hpp"
#include "protocol/interfaces.hpp"
#include "weights/format/manifest.hpp"

namespace fastptm::actors {

// A shard that is not on the device, and where it is to lie.
struct missing_shard {
  weights::shard_entry entry;
  core::memory_region target;
};

struct transfer_end {
  core::result<void> outcome;
  weights::load_report report;
};

struct transfer_options {
  const loading_environment* environment = nullptr;
  protocol::registration_id registration; // of the node, as the load's order had it
  core::load_id load;
  std::string model, device; // as reports name them
  core::digest manifest;
  std::vector<missing_shard> shards; // at least one, in the order in which they are wanted
  core::duration_us timeout_us = 0;  // without progress
  protocol::directory_actor directory;
  protocol::weight_store_actor weight_store;
  protocol::peer_row store;
  policy::link_rates rates; // of the device
  // On foreign threads; the second one may be unset. `ended` is called once, last of all: nothing writes into the
  // targets any more.
  std::function<void(uint32_t shard)> verified;
  std::function<void(uint32_t shard, uint32_t chunks)> part_verified; // its first ones
  std::function<void(transfer_end)> ended;
};

// Spawned by a gpu_worker, linked to it; ends by itself. Shards come from peers' devices; from those that are loading
// them right now as soon as they have them, so that a chain of loads costs one transfer; from the store what no peer
// has, and what ran out of sources.
class transfer {
public:
  struct starved {};
  struct source_failed {
    std::string node;
    core::error why;
  };
  struct shard_taken {
    uint32_t shard = 0;
  };
  struct look_due {
    core::time_us at_us = 0;
  };
  using interface =
      protocol::transfer_actor::extend<protocol::takes<protocol::tick_atom>, protocol::takes<local<starved>>,
                                       protocol::takes<local<source_failed>>, protocol::takes<local<shard_taken>>,
                                       protocol::takes<local<look_due>>, protocol::takes<local<transfer_end>>>;
  static constexpr const char* actor_name = "fastptm.transfer";

  transfer(interface::pointer self, transfer_options options);
  interface::behavior_type make_behavior();

private:
  // -- from the loader ------------------------------------------------------------------------------------------------
  void on_starved();
  void on_source_failed(const source_failed& failed);
  void on_shard_taken(uint32_t shard);
  void on_look_due(core::time_us at_us);
  void on_ended(const transfer_end& end);

  // -- from the gpu_worker --------------------------------------------------------------------------------------------
  void on_node_lost(const protocol::node_lost& lost);
  void on_cancel();

  // -- sources --------------------------------------------------------------------------------------------------------
  void locate(std::vector<uint32_t> shards);
  void on_answer(const std::vector<uint32_t>& shards, const protocol::holder_list& holders);
  void on_located(const protocol::holder_list& holders);
  bool add_peer(const protocol::holder_row& holder);
  void expect(const std::vector<core::digest>& shards, bool is_expected);
  void stage(uint32_t shard);
  void on_stage_progress(const protocol::stage_progress& progress);
  void on_staged(uint32_t shard, const protocol::stage_reply& reply);
  void on_stage_failed(uint32_t shard, std::string error);
  void release(uint32_t shard);
  void tell_of_wrong_bytes();
  void tell_peer(uint32_t source, const protocol::suspect& doubted);
  uint32_t store_source(policy::source_kind kind);
  bool is_where_calibrated(const transport::peer_address& peer) const;
  policy::source_kind cache_kind() const;

  void on_tick();
  void look_later();
  void report_sources();
  void give_up(core::error why);
  std::shared_ptr<weights::loader> make_loader();

  interface::pointer self_;
  transfer_options options_; // constant until the end, and empty then
  std::shared_ptr<weights::loader> loader_;
  bool started_ = false;
  policy::staging staging_;
  core::time_us looks_us_ = 0;                                                // the next time it will; 0: none is set
  core::time_us loader_looks_us_ = std::numeric_limits<core::time_us>::max(); // when its loader has to
  struct known_peer {
    uint64_t incarnation = 0;
    uint32_t source = 0; // its number in the loader
    std::map<uint32_t, protocol::shard_location> holds;
  };
  std::map<core::digest, std::vector<uint32_t>> numbers_; // of the shards; a set may have one twice
  std::map<std::string, known_peer> peers_;               // devices that are sources
  // Of the store: one for what was in memory, one for what it read from disk. Made anew after a failure.
  std::optional<uint32_t> cache_source_;
  std::optional<uint32_t> disk_source_;
  std::string disk_path_; // as the store said with its last staging
};

} // namespace fastptm::actors
