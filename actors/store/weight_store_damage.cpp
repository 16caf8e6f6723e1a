// What is damaged in the store: models that cannot be read, until they are published again.
#include "actors/store/weight_store.hpp"
#include "core/log.hpp"

namespace fastptm::actors {

// One damaged manifest is one model less: the others are served.
void weight_store::note_unreadable(const weights::catalogue_entry& entry, const core::error& why) {
  const auto name = entry.full_name();
  core::log::error("weight_store", "model-unreadable",
                   "{}: {}: publish its folder again, or take it back with `fastptm unpublish {}`", name, why.message,
                   name);
  unreadable_[entry.id] = entry;
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

} // namespace fastptm::actors
