// Publishing: a checked model folder becomes shards, a manifest and a row of the catalogue, all or nothing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "core/error.hpp"
#include "weights/format/manifest.hpp"
#include "weights/import/import_plan.hpp"
#include "weights/store/catalogue.hpp"
#include "weights/store/content_store.hpp"

namespace fastptm::weights {

struct publish_request {
  // Must not change meanwhile; stays as it is. Removing it withdraws the request: until the catalogue's row is written
  // the publication then ends as cancelled.
  std::filesystem::path folder;
  std::string tenant;
  std::string name;
  uint64_t largest_arena_bytes = 0; // of the cluster's devices; 0: not known, so not checked
  uint64_t host_cache_bytes = 0;    // through which every shard goes; likewise

  tokenizer_check check_tokenizer; // none: not checked
  // Of the folder with the tokenizer's files; none, or empty text: there are none.
  std::function<core::result<std::string>(const std::filesystem::path&)> pack_card;
};

struct publish_progress {
  uint64_t done_bytes = 0;
  uint64_t total_bytes = 0;
};
using publish_observer = std::function<void(const publish_progress&)>;

struct publication {
  catalogue_entry entry;
  manifest set;
  uint64_t new_shards = 0; // the others were in the store already
  uint64_t new_bytes = 0;
  uint64_t restored_shards = 0; // of those: were damaged there
  bool manifest_restored = false;
};

// Blocks for as long as reading, hashing and writing the model takes, with a few threads of its own: call it where that
// may block. Publications on one store run one after the other. What the store has already is read once more and
// replaced where it is damaged: publishing again restores whatever consists of it. `observe` is called after every
// chunk and every later step, never twice at a time, on any of these threads. When it fails, store and catalogue are as
// before, but for what it restored; after a crash, what it left is garbage that content_store::collect_garbage removes.
// errc::invalid names what is wrong with the folder; does_not_fit: no device could hold the model, or the
// host cache a shard of it; disk_full.
core::result<publication> publish(const publish_request& request, content_store& store, catalogue& models,
                                  const publish_observer& observe = {});

} // namespace fastptm::weights
