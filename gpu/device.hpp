// An accelerator, or the host's processor as one: its arena, its operators and the one thread that drives it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/error.hpp"
#include "core/memory_region.hpp"
#include "gpu/arena.hpp"

namespace fastptm::gpu {

class kernels;

enum class device_kind : uint8_t { host, cuda };

constexpr std::string_view to_string(device_kind kind) noexcept {
  return kind == device_kind::host ? "host" : "cuda";
}

struct device_options {
  std::string name;         // "host0"
  uint64_t arena_bytes = 0; // rounded up to 2 MiB
  unsigned threads = 1;     // threads that compute one batch, the executor's own included
};

struct device_info {
  std::string name;
  device_kind kind = device_kind::host;
  std::string isa; // which instructions were chosen: "avx512", "avx2", "portable"; for CUDA the compute capability
  unsigned threads = 1;
};

// Memory of the device outside the arena: activations. Move-only; must not outlive its device.
class buffer {
public:
  virtual ~buffer() = default;
  virtual core::memory_region region() const = 0;
};

class device {
public:
  virtual ~device() = default; // Finishes the work that was accepted, then stops the executor.

  virtual const device_info& info() const = 0;
  // Belongs to one actor: see arena.hpp.
  virtual arena& memory() = 0;
  // Only inside execute().
  virtual kernels& operators() = 0;
  // Zeroed. Any thread. errc::does_not_fit when the device has no memory left.
  virtual core::result<std::unique_ptr<buffer>> allocate(uint64_t size_bytes) = 0;

  // Runs `work` on the device's own thread, in order of acceptance. Any thread; never blocks.
  // errc::busy when queue_bound pieces of work wait already: try again after a completion.
  virtual core::result<void> execute(std::function<void()> work) = 0;

  // So much of its memory, from the start of it, is in use or soon will be: what makes filling it faster is done for
  // that and a little beyond, where it was not before. Nobody waits for it. Any thread; returns at once.
  virtual void warm(uint64_t used_bytes) = 0;

  // One batch computes, one is prepared: more would only hide queueing from the scheduler; the rest is room for probes.
  static constexpr size_t queue_bound = 16;
};

} // namespace fastptm::gpu
