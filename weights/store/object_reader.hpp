// Reads shards from where objects are kept into memory, verified.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/memory_region.hpp"
#include "weights/format/hash.hpp"

namespace fastptm::weights {

struct disk_read {
  std::filesystem::path file; // a regular file of exactly target.size_bytes, a multiple of 4 KiB
  core::memory_region target; // aligned to 4 KiB; the caller's until the callback
  std::vector<uint64_t> chunk_checksums;
  // So many of its first chunks are in the target and right; rising, before the outcome, on the same thread. May be
  // empty; not every reader calls it.
  std::function<void(uint32_t chunks)> progress{};
};

struct disk_read_result {
  core::result<void> outcome; // corrupt: bytes do not match their checksums
  uint32_t bad_chunks = 0;
  std::optional<wrong_chunk> first_wrong;
  core::time_us start_us = 0; // its first chunk was asked for
  core::time_us end_us = 0;   // its last chunk was verified
};

// A disk, or what stands for it where time is virtual. Any thread.
class object_reader {
public:
  virtual ~object_reader() = default;

  // `done` is called exactly once, later, when nothing writes into the target any more; it must not block. busy: too
  // much waits already.
  virtual core::result<void> submit(disk_read what, std::function<void(disk_read_result)> done) = 0;
  // The same for what lies in the target already: nothing is read, and nothing written.
  virtual core::result<void> check_again(core::memory_region target, std::vector<uint64_t> chunk_checksums,
                                         std::function<void(disk_read_result)> done) = 0;

  // How it reads, as reports name it.
  virtual std::string_view path() const = 0;
};

} // namespace fastptm::weights
