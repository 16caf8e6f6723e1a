// Models that worlds serve, and what of them the head of one world has on its disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "sim/world/virtual_disk.hpp"
#include "sim/world/world.hpp"
#include "weights/format/manifest.hpp"
#include "weights/store/catalogue.hpp"
#include "weights/store/content_store.hpp"

namespace fastptm::sim::world {

struct shelved_model {
  std::string name;             // without tenant and version
  std::filesystem::path folder; // that it was published from
  weights::catalogue_entry entry;
  weights::manifest set;
  std::vector<float> answer; // the right one
};

class model_shelf final : public shelf {
public:
  static core::result<std::unique_ptr<model_shelf>> make(const std::filesystem::path& folder, uint32_t models);

  std::span<const shelved_model> listed() const { return std::span(models_).first(listed_); }
  // On the shelf and in no catalogue: worlds publish them.
  std::span<const shelved_model> unlisted() const { return std::span(models_).subspan(listed_); }

  weights::content_store store;
  weights::catalogue catalogue;
  object_shelf objects;

private:
  model_shelf(std::filesystem::path folder, weights::content_store kept, weights::catalogue list)
      : store(std::move(kept)), catalogue(std::move(list)), folder_(std::move(folder)) {}
  core::result<void> publish(uint32_t number, weights::catalogue& to);
  core::result<void> write_own_list();
  friend class own_disk;

  const std::filesystem::path folder_;
  std::vector<shelved_model> models_;
  uint32_t listed_ = 0;
  uint64_t disks_ = 0; // made
};

// A copy of the shelf's store and catalogue that a world may change and damage. Its folder goes with it.
class own_disk {
public:
  static core::result<std::unique_ptr<own_disk>> make(model_shelf& of);
  ~own_disk();
  own_disk(const own_disk&) = delete;
  own_disk& operator=(const own_disk&) = delete;

  // One bit of a file changes, as if by itself. Whether it is there.
  bool rot(const std::filesystem::path& file, uint64_t choice);
  std::filesystem::path manifest_path(const core::digest& manifest) const;

  weights::content_store store;
  weights::catalogue catalogue;

private:
  own_disk(std::filesystem::path folder, weights::content_store kept, weights::catalogue list)
      : store(std::move(kept)), catalogue(std::move(list)), folder_(std::move(folder)) {}

  const std::filesystem::path folder_;
};

} // namespace fastptm::sim::world
