// The memory of this node that peers may read: every backend validates a request against this one table.
#pragma once

#include <cstdint>
#include <functional>
#include <unordered_map>
#include <vector>

#include "core/error.hpp"
#include "core/memory_region.hpp"
#include "core/mutex.hpp"

namespace fastptm::transport {

// The name of exported memory on the wire. Both numbers are given by the exporter and never given twice in its life,
// so an old name never reaches newer bytes.
struct exported {
  uint64_t region = 0;
  uint64_t generation = 0;

  friend bool operator==(const exported&, const exported&) = default;
};

// What is read of a peer's exported memory.
struct remote_range {
  uint64_t region = 0;
  uint64_t generation = 0;
  uint64_t offset_bytes = 0;
  uint64_t length_bytes = 0;
};

struct exportable {
  core::memory_region memory; // stays valid and unchanged where peers read until withdraw() is done
  int sealed_file = -1;       // a sealed memfd holding exactly `memory`: peers on this host may map it. -1: copies only
};

// Made by node/, shared by the backends, outlives them. Any thread.
//
// An arena exports each shard as a region of its own, from its first verified chunks on (which are all that others are
// told of until the rest has come), and withdraws it before eviction. A host cache exports
// its slab once; mappings of it live on in their readers, so bytes copied from one are trusted only after verification.
class exporter {
public:
  exported add(exportable what);

  // Refuses new reads at once. `done` is called when no backend is sending from it any more: inside this call or on a
  // backend's thread. A reader that hangs delays it by at most the backend's bound on a send. Unknown names are done.
  void withdraw(exported name, std::function<void()> done);

  // -- for backends ---------------------------------------------------------------------------------------------------

  // The bytes of a range, pinned until unpin(): not_found when withdrawn, invalid when outside of the region.
  core::result<core::memory_region> pin(const remote_range& range);
  void unpin(const remote_range& range);

  // The sealed file of a region and its size; not_found when withdrawn or not mappable.
  // The file stays the exporter's owner's.
  core::result<exportable> mappable(exported name) const;

private:
  struct entry {
    exportable what;
    uint64_t generation = 0;
    uint32_t pins = 0;
    bool withdrawn = false;
    std::vector<std::function<void()>> waiting;
  };

  // Actors add and withdraw while the pump pins: a few instructions under it, never a call-out.
  mutable core::mutex mutex_;
  std::unordered_map<uint64_t, entry> regions_ FASTPTM_GUARDED_BY(mutex_);
  uint64_t last_region_ FASTPTM_GUARDED_BY(mutex_) = 0;
  uint64_t generation_ FASTPTM_GUARDED_BY(mutex_) = 0;
};

} // namespace fastptm::transport
