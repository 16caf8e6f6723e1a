// Models from the catalogue, shards through the host cache.
#include "actors/store/weight_store.hpp"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "actors/actor_from_state.hpp"
#include "actors/completion.hpp"
#include "core/log.hpp"
#include "models/registry.hpp"
#include "protocol/errors.hpp"

namespace fastptm::actors {

namespace {

// A large model on a slow disk; a publication that takes longer is still carried out, only nobody is told.
constexpr auto publish_timeout = std::chrono::minutes(30);

protocol::model_row to_row(const weights::catalogue_entry& entry, const weights::manifest& set) {
  const auto facts = *models::describe(set.arch); // of the store: it was checked when it was read
  protocol::model_row row;
  row.id = entry.id;
  row.name = entry.full_name();
  row.tenant = entry.tenant;
  row.architecture = entry.architecture;
  row.task = set.job.kind;
  row.labels = set.job.labels;
  row.bytes = entry.total_bytes;
  row.shards = entry.shard_count;
  row.manifest = entry.manifest;
  row.card = entry.card;
  row.vocabulary = facts.vocabulary;
  row.max_tokens = set.job.max_tokens;
  row.token_types = facts.token_types;
  return row;
}

} // namespace

weight_store::weight_store(interface::pointer self, weight_store_options options)
    : self_(self), options_(std::move(options)) {
  if (options_.metrics != nullptr) metrics_.emplace(*options_.metrics);
}

weight_store::interface::behavior_type weight_store::make_behavior() {
  self_->set_down_handler([this](caf::down_msg& down) { on_down(down.source); });
  load_catalogue();
  options_.cache->when_grown([notify = notifier<interface>(self_)] { notify(make_local(cache_grew{})); });
  options_.cache->when_found([notify = notifier<interface>(self_)](weights::cache_finding finding) {
    notify(make_local(std::move(finding)));
  });
  spawn_publisher();
  return {
      [this](const protocol::publish_request& request) { return on_publish(request); },
      [this](const protocol::unpublish_request& request) { return on_unpublish(request); },
      [this](protocol::list_atom) { return on_list(); },
      [this](protocol::card_atom, core::model_id model) { return on_card(model); },
      [this](const protocol::stage_request& request) { return on_stage(request); },
      [this](protocol::release_atom, const core::digest& shard) { on_release(shard); },
      [this](const protocol::suspect& doubted) { on_suspect(doubted); },
      [this](protocol::drop_atom) { return on_drop(); },
      [this](protocol::stop_atom) { on_stop(); },
      [this](const local<staging_ended>& ended) { on_staging_ended(*ended.value); },
      [this](const local<staging_progress>& progress) { on_staging_progress(*progress.value); },
      [this](const local<cache_grew>&) { on_room(); },
      [this](const local<weights::cache_finding>& finding) { on_found(*finding.value); },
  };
}

void weight_store::spawn_publisher() {
  const publisher_options options{options_.store, options_.catalogue, options_.largest_arena_bytes,
                                  options_.cache->size_bytes()};
  publisher_ = options_.publishes_in_place ? self_->spawn<actor_from_state<publisher>>(options)
                                           : self_->spawn<actor_from_state<publisher>, caf::detached>(options);
}

void weight_store::load_catalogue() {
  const auto entries = options_.catalogue->all();
  is_complete_ = entries.has_value();
  if (!entries) return core::log::error("weight_store", "no-catalogue", "{}", entries.error().message);
  for (const auto& entry : *entries) {
    if (const auto set = options_.store->read_manifest(entry.manifest))
      add_model(entry, *set);
    else
      note_unreadable(entry, set.error());
  }
}

// The scheduler and the tenant hear of it before anybody who was told that it is published can ask for it.
protocol::model_row weight_store::add_model(const weights::catalogue_entry& entry, const weights::manifest& set) {
  const protocol::model_added added{to_row(entry, set), protocol::to_payload(weights::encode(set))};
  models_[entry.id] = {added.row, added.manifest};
  sets_[entry.manifest] = set;
  newest_ = std::max(newest_, entry.id);
  ++uses_[entry.manifest];
  ++uses_[entry.card];
  for (const auto& shard : set.shards) ++uses_[shard.digest];
  self_->send(options_.scheduler, added);
  for (const auto& tenant : options_.tenants)
    if (tenant.name == entry.tenant) self_->send(tenant.handle, added);
  return added.row;
}

// -- from the gateway -------------------------------------------------------------------------------------------------

caf::result<protocol::publication> weight_store::on_publish(const protocol::publish_request& request) {
  const auto tenant = std::find_if(options_.tenants.begin(), options_.tenants.end(),
                                   [&](const auto& one) { return one.name == request.tenant; });
  if (tenant == options_.tenants.end())
    return protocol::to_caf(core::errc::not_found, fmt::format("no tenant '{}'", request.tenant));
  const auto owned = std::count_if(models_.begin(), models_.end(),
                                   [&](const auto& one) { return one.second.row.tenant == request.tenant; });
  if (owned >= tenant->max_models)
    return protocol::to_caf(core::errc::quota_exceeded,
                            fmt::format("{} has {} models, its limit", request.tenant, owned));
  if (publications_ >= options_.waiting_publications)
    return protocol::to_caf(core::errc::quota_exceeded,
                            "too many publications are waiting: try again in a few seconds");
  ++publications_;
  auto promise = self_->make_response_promise<protocol::publication>();
  self_->request(publisher_, publish_timeout, request)
      .then(
          [this, promise](const local<weights::publication>& done) mutable {
            --publications_;
            const auto fresh = only_in({&done.value->set}, done.value->entry.tenant);
            const auto row = add_model(done.value->entry, done.value->set);
            revive(done.value->entry.manifest, done.value->set);
            promise.deliver(
                protocol::publication{row.name, row.bytes, row.shards, fresh.shards, fresh.bytes, row.architecture});
          },
          [this, promise](caf::error& failure) mutable {
            --publications_;
            // It goes on, and its model will be in the catalogue and not here.
            if (protocol::from_caf(failure).code == core::errc::deadline_exceeded) is_complete_ = false;
            promise.deliver(std::move(failure));
          });
  return promise;
}

// Of what these consist and no published model of the tenant does. So a publisher is told: what others have published
// is nothing that he may learn.
weight_store::shard_sum weight_store::only_in(const std::vector<const weights::manifest*>& sets,
                                              const std::string& tenant) const {
  std::set<core::digest> known;
  for (const auto& [id, model] : models_)
    if (model.row.tenant == tenant)
      for (const auto& shard : sets_.at(model.row.manifest).shards) known.insert(shard.digest);
  shard_sum found;
  for (const auto* set : sets) {
    for (const auto& shard : set->shards) {
      if (!known.insert(shard.digest).second) continue;
      ++found.shards;
      found.bytes += shard.size_bytes;
    }
  }
  return found;
}

protocol::model_list weight_store::on_list() const {
  protocol::model_list listed;
  for (const auto& [id, model] : models_) listed.rows.push_back(model.row);
  return listed;
}

caf::result<std::string> weight_store::on_card(core::model_id model) const {
  const auto found = models_.find(model);
  if (found == models_.end()) return protocol::to_caf(core::errc::not_found, "no such model");
  if (found->second.row.card == core::digest{})
    return protocol::to_caf(core::errc::not_found, found->second.row.name + " brings no tokenizer: ask it with --ids");
  return options_.store->object_path(found->second.row.card).string();
}

// -- from transfers ---------------------------------------------------------------------------------------------------

caf::result<protocol::stage_reply> weight_store::on_stage(const protocol::stage_request& request) {
  const auto* shard = find_shard(request);
  protocol::stage_reply refused;
  refused.error = "the store does not have the shard";
  if (shard == nullptr) return refused;
  if (request.only_if_cached && !options_.cache->holds(request.shard)) return refused;
  const auto id = ++last_staging_;
  const auto sender = caf::actor_cast<caf::actor>(self_->current_sender()); // before the promise takes it away
  if (!sender) return refused;
  auto promise = self_->make_response_promise<protocol::stage_reply>();
  const auto holder = sender.address();
  if (!leases_.contains(holder)) self_->monitor(sender);
  leases_[holder];
  stagings_[id] = {promise, holder, *shard, 0};
  stage(id);
  return promise;
}

void weight_store::stage(uint64_t id) {
  stagings_.at(id).rooms = rooms_;
  const auto& shard = stagings_.at(id).shard;
  options_.cache->stage(
      {shard.digest, shard.size_bytes, shard.chunk_checksums, options_.store->object_path(shard.digest)},
      [notify = notifier<interface>(self_), id](weights::staged result) {
        notify(make_local(staging_ended{id, std::move(result)}));
      },
      [notify = notifier<interface>(self_), id](weights::staged_part part) {
        notify(make_local(staging_progress{id, part}));
      });
}

void weight_store::on_staging_progress(const staging_progress& progress) {
  const auto found = stagings_.find(progress.staging);
  if (found == stagings_.end()) return;
  const auto& [promise, holder, shard, rooms] = found->second;
  auto place = place_of(shard, progress.part.offset_bytes);
  place.chunks = progress.part.chunks;
  if (const auto to = caf::actor_cast<protocol::transfer_actor>(holder))
    self_->send(to, protocol::stage_progress{place, std::string(options_.cache->disk_path())});
}

protocol::shard_location weight_store::place_of(const weights::shard_entry& shard, uint64_t offset_bytes) const {
  return {shard.digest, options_.slab.region, options_.slab.generation, offset_bytes, shard.size_bytes};
}

void weight_store::on_staging_ended(staging_ended& ended) {
  const auto& outcome = ended.result.outcome;
  if (!outcome && outcome.error().code == core::errc::busy) return wait_for_room(ended.staging);
  auto entry = stagings_.extract(ended.staging);
  if (!entry || !leases_.contains(entry.mapped().holder)) { // it has ended meanwhile
    ended.result.lease.release();
    return on_room();
  }
  auto& [promise, holder, shard, rooms] = entry.mapped();
  protocol::stage_reply reply;
  reply.disk_path = options_.cache->disk_path();
  reply.bad_chunks = ended.result.bad_chunks;
  leases_.at(holder).emplace(shard.digest, std::move(ended.result.lease));
  if (!outcome) {
    const auto& why = outcome.error();
    reply.error = why.message;
    if (why.code == core::errc::corrupt || why.code == core::errc::not_found) // the log has it; tenants read this
      reply.error = "it is damaged in the store: publish the model's folder again";
    else
      core::log::error("weight_store", "staging-failed", "shard {}: {}", shard.digest.short_hex(), why.message);
    promise.deliver(std::move(reply));
    return on_room(); // what it was to be read into
  }
  reply.staged = true;
  reply.was_cached = !ended.result.from_disk;
  reply.read_us = ended.result.end_us - ended.result.start_us;
  reply.location = place_of(shard, ended.result.offset_bytes);
  promise.deliver(std::move(reply));
}

void weight_store::on_release(const core::digest& shard) {
  const auto held = leases_.find(caf::actor_cast<caf::actor_addr>(self_->current_sender()));
  if (held == leases_.end()) return;
  held->second.erase(shard);
  on_room();
}

void weight_store::on_down(const caf::actor_addr& holder) {
  leases_.erase(holder);
  std::erase_if(waiting_, [&](uint64_t id) { return stagings_.at(id).holder == holder && stagings_.erase(id) > 0; });
  on_room();
}

// The answer of the cache may be older than the last room that was made.
void weight_store::wait_for_room(uint64_t id) {
  const auto found = stagings_.find(id);
  if (found == stagings_.end()) return;
  if (found->second.rooms != rooms_)
    stage(id);
  else
    waiting_.push_back(id);
}

// Whoever still finds none waits again, in the same order.
void weight_store::on_room() {
  ++rooms_;
  for (const auto id : std::exchange(waiting_, {})) stage(id);
}

uint64_t weight_store::on_drop() {
  return options_.cache->drop_unleased();
}

void weight_store::on_stop() {
  caf::anon_send<caf::message_priority::high>(publisher_, protocol::stop_atom_v);
  // CAF's clock may hold this actor until after it has stopped; a detached actor must be free before.
  publisher_ = nullptr;
  leases_.clear();
  self_->quit(caf::exit_reason::user_shutdown);
}

const weights::shard_entry* weight_store::find_shard(const protocol::stage_request& request) const {
  const auto set = sets_.find(request.manifest);
  if (set == sets_.end()) return nullptr;
  for (const auto& shard : set->second.shards)
    if (shard.digest == request.shard) return &shard;
  return nullptr;
}

} // namespace fastptm::actors
