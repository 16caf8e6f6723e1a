// Uploaded folders on their way to the store: bounded for each tenant, on disk, gone when nobody needs them.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/clock.hpp"
#include "core/error.hpp"

namespace fastptm::rpc {

struct spool_limits {
  std::filesystem::path folder;
  uint64_t upload_bytes = 0;     // of one upload
  uint32_t uploads = 0;          // of one tenant at once, as the next
  uint64_t tenant_bytes = 0;     // announced by all of them
  core::duration_us idle_us = 0; // without a file or a byte: then the upload ends
};

// What one tenant has in the spool. Folders end on whatever thread has them last.
struct spool_use {
  std::atomic<uint32_t> uploads = 0;
  std::atomic<uint64_t> bytes = 0;
};

// One uploaded folder. Its owners share it; the last one removes it from disk.
class spooled_folder {
public:
  spooled_folder(std::filesystem::path path, const spool_limits& limits, std::shared_ptr<spool_use> use);
  ~spooled_folder();
  spooled_folder(const spooled_folder&) = delete;
  spooled_folder& operator=(const spooled_folder&) = delete;

  const std::filesystem::path& path() const { return path_; }

  // A new file under a relative path of at most two parts; the descriptor is the caller's to close. quota_exceeded: it
  // would be more than one upload, or all of the tenant, may bring.
  core::result<int> create(std::string_view relative, uint64_t size_bytes);

  // Bytes of announced files that have not come.
  uint64_t missing_bytes() const { return announced_bytes_ - written_bytes_; }
  void wrote(uint64_t bytes) { written_bytes_ += bytes; }

private:
  core::result<void> make_room(uint64_t size_bytes);

  const std::filesystem::path path_;
  const uint64_t most_bytes_, most_tenant_bytes_;
  const std::shared_ptr<spool_use> use_;
  uint64_t announced_bytes_ = 0, written_bytes_ = 0;
  uint32_t files_ = 0;
};

// All uploads; KJ thread.
class upload_spool {
public:
  explicit upload_spool(spool_limits limits) : limits_(std::move(limits)) {}

  // quota_exceeded when the tenant has too many uploads open, or an I/O error.
  core::result<std::shared_ptr<spooled_folder>> open(const std::string& tenant);

private:
  const spool_limits limits_;
  std::map<std::string, std::shared_ptr<spool_use>> uses_; // by tenant
};

// Writes all of it at the descriptor's end.
core::result<void> append(int descriptor, std::span<const unsigned char> bytes);

} // namespace fastptm::rpc
