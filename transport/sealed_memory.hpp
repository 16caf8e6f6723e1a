// Memory in a sealed memfd: its owner writes, others map it read-only, nobody can shrink it under a reader.
#pragma once

#include <cstdint>
#include <string>

#include "core/error.hpp"
#include "core/memory_region.hpp"
#include "transport/exporter.hpp"

namespace fastptm::transport {

// Move-only owner of the file and this process's writable mapping of it. Nobody touches a page that was not brought in:
// then no fault finds the machine out of memory.
class sealed_memory {
public:
  // All pages exist. `size_bytes` is rounded up to whole pages. Errors: quota_exceeded when memory or a limit is
  // exhausted, else io.
  static core::result<sealed_memory> create(const std::string& name, uint64_t size_bytes);
  // No page exists yet.
  static core::result<sealed_memory> reserve(const std::string& name, uint64_t size_bytes);

  // Whole pages inside of it; errors as above. Any thread.
  core::result<void> bring_in(uint64_t offset_bytes, uint64_t length_bytes) const;

  sealed_memory(sealed_memory&& other) noexcept;
  sealed_memory& operator=(sealed_memory&& other) noexcept;
  ~sealed_memory();

  core::memory_region region() const { return memory_; }
  exportable to_export() const { return {memory_, file_}; }

private:
  sealed_memory(int file, core::memory_region memory) : file_(file), memory_(memory) {}

  int file_ = -1;
  core::memory_region memory_;
};

} // namespace fastptm::transport
