// What is damaged in the store: models that cannot be read, objects, copies in the cache.
#include <algorithm>

#include <fmt/format.h>

#include "actors/store/weight_store.hpp"
#include "core/log.hpp"

namespace fastptm::actors {

namespace {

core::counter& damaged_shards(core::metrics_registry& registry, std::string_view where) {
  return registry.make_counter("fastptm_damaged_shards_total", "Shards found damaged where they lay",
                               fmt::format("where=\"{}\"", where));
}

} // namespace

weight_store_metrics::weight_store_metrics(core::metrics_registry& registry)
    : objects(damaged_shards(registry, "object")), copies(damaged_shards(registry, "cache")),
      unreadable_models(
          registry.make_gauge("fastptm_store_unreadable_models", "Published models whose manifests are damaged")) {}

// -- manifests --------------------------------------------------------------------------------------------------------

// One damaged manifest is one model less: the others are served.
void weight_store::note_unreadable(const weights::catalogue_entry& entry, const core::error& why) {
  const auto name = entry.full_name();
  core::log::error("weight_store", "model-unreadable",
                   "{}: {}: publish its folder again, or take it back with `fastptm unpublish {}`", name, why.message,
                   name);
  unreadable_[entry.id] = entry;
  count_unreadable();
  newest_ = std::max(newest_, entry.id);
  for (const auto& tenant : options_.tenants)
    if (tenant.name == entry.tenant) self_->send(tenant.handle, protocol::model_unreadable{name});
}

// A publication of the same bytes has brought the manifest back.
void weight_store::revive(const core::digest& manifest, const weights::manifest& set) {
  std::erase_if(unreadable_, [&](const auto& model) {
    const auto& [id, entry] = model;
    if (entry.manifest != manifest || leaving_.contains(id)) return false;
    core::log::info("weight_store", "model-readable-again", "{}: its manifest was published again", entry.full_name());
    add_model(entry, set);
    return true;
  });
  count_unreadable();
}

weight_store::model_entry weight_store::unreadable_row(core::model_id id) const {
  const auto& entry = unreadable_.at(id);
  model_entry made;
  made.row.id = id;
  made.row.name = entry.full_name();
  made.row.tenant = entry.tenant;
  made.is_readable = false;
  return made;
}

void weight_store::count_unreadable() {
  if (metrics_) metrics_->unreadable_models.set(static_cast<int64_t>(unreadable_.size()));
}

// -- shards -----------------------------------------------------------------------------------------------------------

// What the sender leases of it must not keep the room that another copy needs.
void weight_store::on_suspect(const protocol::suspect& doubted) {
  const auto& copy = doubted.copy;
  if (copy.region != options_.slab.region || copy.generation != options_.slab.generation) return; // of an earlier life
  core::log::warn("weight_store", "suspect",
                  "shard {}: {} got wrong bytes from the host cache: {}: looking at it again", copy.shard.short_hex(),
                  doubted.noticed_by, to_text(weights::wrong_chunk{doubted.chunk, doubted.expected, doubted.found}));
  options_.cache->check_again(copy.shard, copy.offset_bytes);
  const auto held = leases_.find(caf::actor_cast<caf::actor_addr>(self_->current_sender()));
  if (held != leases_.end())
    std::erase_if(held->second, [&](const auto& lease) {
      return lease.first == copy.shard && lease.second.offset_bytes() == copy.offset_bytes;
    });
  on_room();
}

void weight_store::on_found(const weights::cache_finding& finding) {
  using kind = weights::cache_finding::kind;
  const auto shard = finding.shard.short_hex();
  switch (finding.what) {
    case kind::damaged_object:
      if (metrics_) metrics_->objects.add();
      return core::log::error("weight_store", "object-damaged",
                              "shard {}: {}: publish {} again to restore it, and check the disk of the state folder",
                              shard, finding.text, users_of(finding.shard));
    case kind::damaged_copy:
      if (metrics_) metrics_->copies.add();
      core::log::error("weight_store", "copy-damaged",
                       "shard {}: {}: it is read from the disk again; check the memory of this machine", shard,
                       finding.text);
      return on_room(); // the place of the copy
    case kind::good_copy:
      return core::log::warn("weight_store", "copy-good",
                             "shard {}: the copy in the host cache is right and stays: the bytes were damaged on their "
                             "way or where they arrived",
                             shard);
  }
}

// For an operator's log: tenants do not learn of each other's models.
std::string weight_store::users_of(const core::digest& shard) const {
  std::string first = "its model";
  size_t others = 0;
  for (const auto& [id, model] : models_) {
    if (!std::ranges::any_of(sets_.at(model.row.manifest).shards, [&](const auto& one) { return one.digest == shard; }))
      continue;
    if (first == "its model")
      first = model.row.name;
    else
      ++others;
  }
  return others == 0 ? first : fmt::format("{} (or one of {} others that consist of it)", first, others);
}

} // namespace fastptm::actors
