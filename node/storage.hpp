// What the store keeps on disk and in memory: objects, catalogue, host cache.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "core/error.hpp"
#include "node/config/config.hpp"
#include "transport/exporter.hpp"
#include "weights/store/catalogue.hpp"
#include "weights/store/content_store.hpp"
#include "weights/store/disk_reader.hpp"
#include "weights/store/host_cache.hpp"

namespace fastptm::node {

class storage {
public:
  // Opens what is there, removes what crashes have left, and refuses a catalogue with a model that no device can hold.
  static core::result<std::unique_ptr<storage>> open(const std::filesystem::path& folder, const cluster_config& config,
                                                     const node_config& self, transport::exporter& exports);
  ~storage();

  weights::content_store& objects() { return *objects_; }
  weights::catalogue& models() { return *models_; }
  weights::host_cache& cache() { return *cache_; }
  transport::exported slab() const { return slab_; }

private:
  storage() = default;

  std::optional<weights::content_store> objects_;
  std::optional<weights::catalogue> models_;
  std::unique_ptr<weights::disk_reader> disk_;
  std::unique_ptr<weights::host_cache> cache_;
  transport::exported slab_;
};

} // namespace fastptm::node
