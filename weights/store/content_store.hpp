// The store's folder on disk: shards and manifests under their contents' names; a crash leaves nothing half.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/mutex.hpp"
#include "weights/format/hash.hpp"
#include "weights/format/manifest.hpp"

namespace fastptm::weights {

struct stored_object {
  core::digest digest;
  uint64_t size_bytes = 0;
  bool is_new = false;      // nothing had its name
  bool is_restored = false; // other bytes had: a damaged disk. Neither: the same bytes were there already
};

// Writes one object whose name is known only at its end. One thread; leaves nothing behind unless committed.
class object_writer {
public:
  ~object_writer();
  object_writer(object_writer&&) noexcept;
  object_writer& operator=(object_writer&&) = delete;

  // errc::disk_full when it does not fit.
  core::result<void> append(std::span<const std::byte> data);
  // On disk when it returns, and under its name; its name is on disk after content_store::sync(). What has the name
  // already is read from the disk and hashed before the copy is dropped; if it is not what it should be, it is replaced.
  core::result<stored_object> commit();

private:
  friend class content_store;
  object_writer(int descriptor, std::filesystem::path temporary, std::filesystem::path objects);

  int descriptor_;
  std::filesystem::path temporary_;
  std::filesystem::path objects_;
  sha256_stream digest_;
  uint64_t size_bytes_ = 0;
};

// What must stay: the manifest and the card of a model.
struct live_model {
  core::digest manifest;
  core::digest card; // zero: none
};

struct garbage {
  uint64_t files = 0;
  uint64_t bytes = 0;
};

struct collection {
  garbage removed;
  std::vector<core::digest> unreadable; // of the live manifests; while there are any, all objects and sets stay
};

// One process at a time has a store open. Reading: any thread. Writing: whoever holds publishing().
class content_store {
public:
  // Makes the folder and its parts if they are missing: objects/, sets/, temp/, spool/.
  static core::result<content_store> open(const std::filesystem::path& folder);

  // -- reading --------------------------------------------------------------------------------------------------------
  // The object's file: its bytes and nothing else.
  std::filesystem::path object_path(const core::digest& name) const;
  // Verified against its name; errc::corrupt if damaged, not_found if there is none.
  core::result<manifest> read_manifest(const core::digest& name) const;

  // -- writing --------------------------------------------------------------------------------------------------------
  core::mutex& publishing() const FASTPTM_THREAD_SAFETY(lock_returned(*publishing_)) { return *publishing_; }
  core::result<object_writer> begin_object();
  core::result<stored_object> put_object(std::string_view bytes);
  core::result<stored_object> put_manifest(const manifest& set);
  // Puts the names of everything committed on disk. After it a catalogue row may refer to them.
  core::result<void> sync();
  // Takes back what a publication that failed had committed. Requires: it was new, and publishing() is held since.
  void discard_object(const core::digest& name);
  void discard_manifest(const core::digest& name);

  // -- housekeeping ---------------------------------------------------------------------------------------------------
  // Removes objects and sets, what is there of them; a file that cannot be removed is garbage for the next start.
  // Requires: publishing() is held, and no model needs any of them.
  garbage remove(std::span<const core::digest> objects, std::span<const core::digest> sets);
  // Removes all of temp/ and spool/, and every object and set that no live model needs: none when a live manifest cannot
  // be read, because nobody knows what it names. Requires: no upload or publication is under way (at start).
  core::result<collection> collect_garbage(std::span<const live_model> live);

private:
  explicit content_store(std::filesystem::path folder);
  std::filesystem::path set_path(const core::digest& name) const;
  std::filesystem::path unique_path(std::string_view part);
  core::result<object_writer> begin(const std::filesystem::path& target_folder);

  std::filesystem::path folder_;
  // Publications run one after the other: the disk is their limit, and a failed one can take its objects back without
  // asking whether another has found them already.
  std::unique_ptr<core::mutex> publishing_;
  std::string unique_prefix_;
};

} // namespace fastptm::weights
