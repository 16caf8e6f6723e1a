// Which shards lie in a device's arena: one lease per content digest, counted, shared by every set that contains it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/memory_region.hpp"
#include "gpu/arena.hpp"
#include "gpu/verified_event.hpp"

namespace fastptm::gpu {

// Where one shard lies, for as long as the reference that acquire() gave is not released.
struct held_shard {
  core::memory_region region; // exactly the shard's size
  std::shared_ptr<verified_event> verified;
  uint64_t offset_bytes = 0; // in the arena
  bool must_load = false;    // Nobody else is loading it: the caller fills the region and sets the event.
};

// Not thread-safe: owned by the gpu_worker actor, like the arena. Must not outlive the arena.
class shard_table {
public:
  explicit shard_table(arena& memory) : memory_(memory) {}

  // One more reference to the shard, which is planned to lie there. Resident or on its way: shared. New, or its last
  // load failed: must_load is true and the event is a fresh one. errc::does_not_fit where the place is not free or the
  // shard lies elsewhere: the plan is not of this memory. Requires: the same digest always comes with the same size.
  core::result<held_shard> acquire(const core::digest& shard, uint64_t size_bytes, uint64_t offset_bytes);

  // One reference less; true when it was the last and the bytes went back to the arena. Requires: nothing reads or
  // writes the region on behalf of this reference any more (exports withdrawn, fetches into it ended).
  bool release(const core::digest& shard);

  // Its bytes are not what they were: whoever computes with it from now on waits for this event. Requires: it is there.
  std::shared_ptr<verified_event> doubt(const core::digest& shard);

  // Without a reference: for status and for serving reads.
  std::optional<held_shard> find(const core::digest& shard) const;
  uint32_t references(const core::digest& shard) const;
  size_t size() const { return shards_.size(); }

private:
  struct entry {
    lease memory;
    uint64_t size_bytes = 0;
    uint32_t references = 0;
    std::shared_ptr<verified_event> verified;
  };
  static held_shard view(const entry& of, bool must_load);

  arena& memory_;
  std::unordered_map<core::digest, entry> shards_;
};

} // namespace fastptm::gpu
