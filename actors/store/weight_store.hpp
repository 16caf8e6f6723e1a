// WEIGHT_STORE: what is published, on disk and in the host cache; announces models and their end, stages shards.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "actors/local.hpp"
#include "actors/store/publisher.hpp"
#include "core/metrics.hpp"
#include "protocol/interfaces.hpp"
#include "transport/exporter.hpp"
#include "weights/format/manifest.hpp"
#include "weights/store/host_cache.hpp"

namespace fastptm::actors {

struct named_tenant {
  std::string name;
  protocol::tenant_actor handle;
  uint32_t max_models = 10'000;
};

struct weight_store_options {
  weights::content_store* store = nullptr; // all outlive the actor
  weights::catalogue* catalogue = nullptr;
  weights::host_cache* cache = nullptr;
  transport::exported slab;                  // of the cache
  core::metrics_registry* metrics = nullptr; // may be null
  uint64_t largest_arena_bytes = 0;
  bool publishes_in_place = false;    // blocks whoever runs on its thread meanwhile: where there is no other one
  uint32_t waiting_publications = 16; // more are refused: each holds an upload in the spool
  protocol::scheduler_actor scheduler;
  std::vector<named_tenant> tenants;
};

// Shards that were found damaged.
struct weight_store_metrics {
  explicit weight_store_metrics(core::metrics_registry& registry);
  core::counter& objects;
  core::counter& copies;
  core::gauge& unreadable_models;
};

class weight_store {
public:
  struct staging_ended {
    uint64_t staging = 0;
    weights::staged result;
  };
  struct staging_progress {
    uint64_t staging = 0;
    weights::staged_part part;
  };
  struct cache_grew {};
  using interface =
      protocol::weight_store_actor::extend<protocol::takes<local<staging_ended>>,
                                           protocol::takes<local<staging_progress>>, protocol::takes<local<cache_grew>>,
                                           protocol::takes<local<weights::cache_finding>>>;
  static constexpr const char* actor_name = "fastptm.weight_store";

  weight_store(interface::pointer self, weight_store_options options);
  // Reads the catalogue and announces every model: blocks for the few KiB of each manifest, before any message comes.
  interface::behavior_type make_behavior();

private:
  struct model_entry {
    protocol::model_row row;
    protocol::payload manifest;
    bool is_readable = true; // false: a row of the catalogue, and nothing is known of what it consists of
  };
  struct pending_staging {
    caf::typed_response_promise<protocol::stage_reply> promise;
    caf::actor_addr holder;
    weights::shard_entry shard;
    uint64_t rooms = 0; // made before the cache was asked
  };

  // Models on their way out, one request's at a time together: rows, then whatever uses them, then bytes.
  struct removal {
    std::vector<model_entry> models;
    size_t in_use = 0; // the scheduler has not let go of
    core::error failure;
    caf::typed_response_promise<protocol::unpublish_reply> promise;
  };
  using removal_pointer = std::shared_ptr<removal>;

  // -- from the gateway -----------------------------------------------------------------------------------------------
  caf::result<protocol::publication> on_publish(const protocol::publish_request& request);
  caf::result<protocol::unpublish_reply> on_unpublish(const protocol::unpublish_request& request);
  struct shard_sum {
    uint32_t shards = 0;
    uint64_t bytes = 0;
  };
  shard_sum only_in(const std::vector<const weights::manifest*>& sets, const std::string& tenant) const;
  protocol::model_list on_list() const;
  caf::result<std::string> on_card(core::model_id model) const;

  // -- from transfers -------------------------------------------------------------------------------------------------
  caf::result<protocol::stage_reply> on_stage(const protocol::stage_request& request);
  void stage(uint64_t id);
  void on_staging_progress(const staging_progress& progress);
  void on_staging_ended(staging_ended& ended);
  void wait_for_room(uint64_t staging);
  void on_room();
  void on_release(const core::digest& shard);
  void on_suspect(const protocol::suspect& doubted);
  void on_down(const caf::actor_addr& holder);

  uint64_t on_drop();
  void on_stop();

  // -- taking back ----------------------------------------------------------------------------------------------------
  core::result<std::vector<core::model_id>> owned_models(const protocol::unpublish_request& request) const;
  void on_rows_removed(const removal_pointer& of);
  void on_unused(const removal_pointer& of);
  void free_bytes(const removal_pointer& of);
  weights::leftovers let_go(const std::vector<model_entry>& models);

  // -- damage ---------------------------------------------------------------------------------------------------------
  void on_found(const weights::cache_finding& finding);
  std::string users_of(const core::digest& shard) const;
  void note_unreadable(const weights::catalogue_entry& entry, const core::error& why);
  void revive(const core::digest& manifest, const weights::manifest& set);
  model_entry unreadable_row(core::model_id id) const;
  void count_unreadable();

  void spawn_publisher();
  void load_catalogue();
  protocol::model_row add_model(const weights::catalogue_entry& entry, const weights::manifest& set);
  const weights::shard_entry* find_shard(const protocol::stage_request& request) const;
  protocol::shard_location place_of(const weights::shard_entry& shard, uint64_t offset_bytes) const;

  interface::pointer self_;
  const weight_store_options options_;
  std::optional<weight_store_metrics> metrics_;
  publisher_actor publisher_;
  uint32_t publications_ = 0; // waiting or running
  std::map<core::model_id, model_entry> models_;
  std::unordered_map<core::digest, weights::manifest> sets_;      // by manifest digest: bounded by the models
  std::unordered_map<core::digest, uint32_t> uses_;               // of sets and objects by models
  std::set<core::model_id> leaving_;                              // being taken back
  core::model_id newest_;                                         // of all that were announced
  std::map<core::model_id, weights::catalogue_entry> unreadable_; // published; their manifests are damaged
  bool is_complete_ = true;                                       // no other published model is missing here
  std::unordered_map<uint64_t, pending_staging> stagings_;
  std::vector<uint64_t> waiting_; // of stagings_: for room, until a lease ends or the cache has grown
  uint64_t rooms_ = 0;            // how often some was made
  uint64_t last_staging_ = 0;
  // What transfers hold: released by them or with their end.
  std::map<caf::actor_addr, std::unordered_multimap<core::digest, weights::cache_lease>> leases_;
};

} // namespace fastptm::actors
