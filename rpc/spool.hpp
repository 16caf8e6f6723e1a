// Uploaded folders on their way to the store: bounded, on disk, gone when nobody needs them.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/error.hpp"

namespace fastptm::rpc {

struct spool_limits {
  std::filesystem::path folder;
  uint64_t upload_bytes = 0;
  uint32_t uploads = 0;
};

// One uploaded folder. Its owners share it; the last one removes it from disk, on whatever thread that is.
class spooled_folder {
public:
  spooled_folder(std::filesystem::path path, uint64_t most_bytes, std::shared_ptr<std::atomic<uint32_t>> open);
  ~spooled_folder();
  spooled_folder(const spooled_folder&) = delete;
  spooled_folder& operator=(const spooled_folder&) = delete;

  const std::filesystem::path& path() const { return path_; }

  // A new file under a relative path of at most two parts; the descriptor is the caller's to close.
  core::result<int> create(std::string_view relative, uint64_t size_bytes);

private:
  const std::filesystem::path path_;
  const uint64_t most_bytes_;
  const std::shared_ptr<std::atomic<uint32_t>> open_; // uploads of the spool
  uint64_t announced_bytes_ = 0;
  uint32_t files_ = 0;
};

// errc::quota_exceeded when too many uploads are open, or an I/O error. `open` counts them.
core::result<std::shared_ptr<spooled_folder>> open_upload(const spool_limits& limits,
                                                          std::shared_ptr<std::atomic<uint32_t>> open);

// Writes all of it at the descriptor's end.
core::result<void> append(int descriptor, std::span<const unsigned char> bytes);

} // namespace fastptm::rpc
