// Opens and reads files that somebody else put there: regular ones only, never blocking, no size taken on trust.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "core/error.hpp"

namespace fastptm::weights {

// Owns a descriptor. Any thread may read_at.
class regular_file {
public:
  // Pipes, devices and folders are refused without waiting for them; symbolic links to regular files are fine (download
  // caches are made of them). A Git LFS pointer in a file's place is refused: nothing we read begins like one. `what`
  // is how messages call the file, e.g. "config.json".
  static core::result<regular_file> open(const std::filesystem::path& path, std::string_view what);

  ~regular_file();
  regular_file(regular_file&&) noexcept;
  regular_file& operator=(regular_file&&) noexcept;

  uint64_t size_bytes() const { return size_bytes_; } // when it was opened
  const std::string& what() const { return what_; }

  // Fills the target or fails; a file that has become shorter is errc::invalid.
  core::result<void> read_at(uint64_t offset_bytes, std::span<std::byte> target) const;

private:
  regular_file(int descriptor, uint64_t size_bytes, std::string what);

  int descriptor_;
  uint64_t size_bytes_;
  std::string what_;
};

// The whole of a small file; errors as open, and errc::invalid for more than most_bytes.
core::result<std::string> read_small_file(const std::filesystem::path& path, std::string_view what,
                                          uint64_t most_bytes);

// Whether something, whatever it is, has this name; a dangling link has.
bool name_exists(const std::filesystem::path& path);

} // namespace fastptm::weights
