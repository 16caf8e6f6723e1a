// Opening and checking the store at start.
#include "node/storage.hpp"

#include <fmt/format.h>

#include "core/log.hpp"

namespace fastptm::node {

namespace {

core::result<void> check_fits(const std::vector<weights::catalogue_entry>& models, uint64_t largest_arena_bytes) {
  for (const auto& model : models) {
    if (model.total_bytes <= largest_arena_bytes) continue;
    return core::fail(
        core::errc::does_not_fit,
        fmt::format("{} has {} MiB of weights and the largest arena of the configuration {} MiB: raise arenaMib "
                    "to {} or more",
                    model.full_name(), model.total_bytes >> 20, largest_arena_bytes >> 20,
                    (model.total_bytes >> 20) + 1));
  }
  return {};
}

core::result<void> clean(weights::content_store& objects, const std::vector<weights::catalogue_entry>& models) {
  std::vector<weights::live_model> live;
  live.reserve(models.size());
  for (const auto& model : models) live.push_back({model.manifest, model.card});
  const auto done = objects.collect_garbage(live);
  if (!done) return core::fail(done.error());
  if (done->removed.files > 0)
    core::log::info("node", "store-cleaned", "removed {} files, {} bytes, that no model needs", done->removed.files,
                    done->removed.bytes);
  // The models of those that can be read are served; which ones are not, the weight store says.
  if (!done->unreadable.empty())
    core::log::error("node", "garbage-kept",
                     "{} manifests of published models cannot be read: nothing is removed from the store until their "
                     "folders are published again, or the models taken back",
                     done->unreadable.size());
  return {};
}

} // namespace

core::result<std::unique_ptr<storage>> storage::open(const std::filesystem::path& folder, const cluster_config& config,
                                                     const node_config& self, transport::exporter& exports) {
  std::unique_ptr<storage> out(new storage);
  auto objects = weights::content_store::open(folder);
  if (!objects) return core::fail("store", objects.error());
  out->objects_.emplace(std::move(*objects));
  auto models = weights::catalogue::open(folder / "catalogue.sqlite");
  if (!models) return core::fail(models.error());
  out->models_.emplace(std::move(*models));
  const auto all = out->models_->all();
  if (!all) return core::fail(all.error());
  if (auto fits = check_fits(*all, config.largest_arena_bytes()); !fits) return core::fail(fits.error());
  if (auto cleaned = clean(*out->objects_, *all); !cleaned) return core::fail("store", cleaned.error());
  out->disk_ = std::make_unique<weights::disk_reader>();
  auto cache = weights::host_cache::create(self.host_cache_bytes, *out->disk_);
  if (!cache) return core::fail("host cache", cache.error());
  out->cache_ = std::move(*cache);
  out->slab_ = exports.add(out->cache_->slab());
  return out;
}

storage::~storage() {
  // The reader first: it writes into the cache.
  disk_.reset();
}

} // namespace fastptm::node
