// Which models are published: one SQLite table, the only state of a cluster that must survive.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/ids.hpp"

struct sqlite3;

namespace fastptm::weights {

struct catalogue_entry {
  core::model_id id{}; // never used again, even if the row were removed
  std::string tenant;
  std::string name;
  uint32_t version = 0; // 1 for the first of a name

  core::digest manifest;
  core::digest card; // the tokenizer's files as one object; zero if the model brought none

  uint64_t total_bytes = 0;
  uint32_t shard_count = 0;
  std::string architecture; // for people
  std::string task;         // "embed" or "classify"
  int64_t published_at_unix_s = 0;

  std::string full_name() const; // "acme/minilm@1"
};

// What tenants and models may be called: 1 to 64 letters, digits, '.', '_', '-', not beginning with '.', '_' or '-'.
core::result<void> check_name(std::string_view what, std::string_view name);

// Any thread: SQLite serialises the calls. A row is on disk when add() returns.
class catalogue {
public:
  // Makes it if there is none. errc::version_mismatch for another schema version, corrupt for a file that is no
  // catalogue.
  static core::result<catalogue> open(const std::filesystem::path& file);

  // Fills in id and version (one more than the highest of that tenant and name).
  core::result<catalogue_entry> add(catalogue_entry entry);

  // In the order of publication.
  core::result<std::vector<catalogue_entry>> all() const;

  // "tenant/name@version", or "tenant/name" for the newest; errc::not_found.
  core::result<catalogue_entry> find(std::string_view model) const;

private:
  struct closer {
    void operator()(sqlite3* database) const;
  };
  explicit catalogue(std::unique_ptr<sqlite3, closer> database);
  core::result<void> prepare_schema();

  std::unique_ptr<sqlite3, closer> database_;
};

} // namespace fastptm::weights
