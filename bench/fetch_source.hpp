// A process that holds bytes and serves them, for measurements and tests between real processes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <sys/types.h>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/memory_region.hpp"
#include "transport/fetcher.hpp"

namespace fastptm::bench {

// Anonymous memory with huge pages, every page present. Move-only in spirit: owned through unique_ptr.
class warm_memory {
public:
  explicit warm_memory(uint64_t size_bytes);
  ~warm_memory();
  warm_memory(const warm_memory&) = delete;
  warm_memory& operator=(const warm_memory&) = delete;
  core::memory_region region() const { return region_; }

private:
  void* mapped_ = nullptr;
  uint64_t mapped_bytes_ = 0;
  core::memory_region region_;
};

// The same bytes in every process for one seed.
void fill_with_pattern(core::memory_region memory, uint64_t seed);

// The parent's end of a forked source. Its process ends with it, or with its parent.
class fetch_source {
public:
  struct options {
    std::string node;
    uint64_t bytes = 0;
    uint64_t seed = 1;
    bool mapped = false; // sealed memory over a unix socket; else anonymous memory over ucx
    std::string secret;
  };

  // Forks: the calling process must have no threads.
  static core::result<std::unique_ptr<fetch_source>> start(const options& what);
  ~fetch_source();
  fetch_source(const fetch_source&) = delete;
  fetch_source& operator=(const fetch_source&) = delete;

  const transport::peer_address& address() const { return address_; }
  transport::exported region() const { return region_; }
  pid_t pid() const { return pid_; }
  // Processor time it has used; 0 when it does not answer.
  core::duration_us cpu_us() const;

private:
  fetch_source() = default;

  pid_t pid_ = -1;
  int commands_ = -1; // write end; its closing ends the source
  int answers_ = -1;
  transport::peer_address address_;
  transport::exported region_;
};

} // namespace fastptm::bench
