// A process that holds bytes and serves them, for measurements and tests between real processes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
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

struct fetch_source_options {
  std::string node;
  uint64_t bytes = 0;
  uint64_t seed = 1;
  bool mapped = false; // sealed memory over a unix socket; else anonymous memory over sockets
  std::string secret;
};

// The parent's end of a source. Its process ends with it, or with its parent.
class fetch_source {
public:
  // Forks: the calling process must have no threads.
  static core::result<std::unique_ptr<fetch_source>> fork(const fetch_source_options& what);
  // Executes this program anew, whose main() must begin with serve_if_asked(). Also from a process with threads.
  static core::result<std::unique_ptr<fetch_source>> execute(const fetch_source_options& what);
  // Nothing when these are not the arguments of a source; else what main() returns.
  static std::optional<int> serve_if_asked(int argc, char** argv);

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
  using child_body = std::function<int(int commands, int answers)>;
  static core::result<std::unique_ptr<fetch_source>> start(const fetch_source_options& what, const child_body& child);

  pid_t pid_ = -1;
  int commands_ = -1; // write end; its closing ends the source
  int answers_ = -1;
  transport::peer_address address_;
  transport::exported region_;
};

} // namespace fastptm::bench
