// Which models are published: one SQLite table, the only state of a cluster that must survive.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/ids.hpp"

struct sqlite3;

namespace fastptm::weights {

struct catalogue_entry {
  core::model_id id{}; // never used again, even when the row is removed
  std::string tenant;
  std::string name;
  uint32_t version = 0; // 1 for the first of a name; never given again, even when the row is removed

  core::digest manifest;
  core::digest card; // the tokenizer's files as one object; zero if the model brought none

  uint64_t total_bytes = 0;
  uint32_t shard_count = 0;
  std::string architecture; // for people
  std::string task;         // "embed" or "classify"
  int64_t published_at_unix_s = 0;

  std::string full_name() const; // "acme/minilm@1"
};

// Any thread: SQLite serialises the calls. A row is on disk when add() returns, and gone from it when remove() does.
class catalogue {
public:
  // Makes it if there is none, and brings one of an earlier version up to date. errc::version_mismatch for another
  // schema version, corrupt for a file that is no catalogue.
  static core::result<catalogue> open(const std::filesystem::path& file);

  // Fills in id and version (one more than the highest that this name of the tenant ever had).
  core::result<catalogue_entry> add(catalogue_entry entry);

  // All of them or none. What is not there any more counts as removed.
  core::result<void> remove(std::span<const core::model_id> models);

  // In the order of publication.
  core::result<std::vector<catalogue_entry>> all() const { return newer_than({}); }
  // Those with a greater id: published after it.
  core::result<std::vector<catalogue_entry>> newer_than(core::model_id known) const;

  // "tenant/name@version", or "tenant/name" for the newest; errc::not_found.
  core::result<catalogue_entry> find(std::string_view model) const;

private:
  struct closer {
    void operator()(sqlite3* database) const;
  };
  explicit catalogue(std::unique_ptr<sqlite3, closer> database);
  core::result<void> prepare_schema();
  core::result<void> remove_row(core::model_id model);

  std::unique_ptr<sqlite3, closer> database_;
};

} // namespace fastptm::weights
