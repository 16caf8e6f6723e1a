// Counted leases by content digest; see shard_table.hpp.
#include "gpu/shard_table.hpp"

#include <fmt/format.h>

#include "core/check.hpp"

namespace fastptm::gpu {

held_shard shard_table::view(const entry& of, bool must_load) {
  return {of.memory.region().slice(0, of.size_bytes), of.verified, of.memory.offset_bytes(), must_load};
}

core::result<held_shard> shard_table::acquire(const core::digest& shard, uint64_t size_bytes, uint64_t offset_bytes) {
  if (const auto found = shards_.find(shard); found != shards_.end()) {
    entry& known = found->second;
    core::check(known.size_bytes == size_bytes, "a digest names bytes of one size");
    if (known.memory.offset_bytes() != offset_bytes)
      return core::fail(core::errc::does_not_fit,
                        fmt::format("shard {} is planned at {} and lies at {}", shard.short_hex(), offset_bytes,
                                    known.memory.offset_bytes()));
    const bool must_load = known.verified->has_failed();
    if (must_load) known.verified = std::make_shared<verified_event>();
    ++known.references;
    return view(known, must_load);
  }
  auto memory = memory_.take_at(offset_bytes, size_bytes);
  if (!memory) return core::fail(std::move(memory.error()));
  const auto [added, is_new] =
      shards_.emplace(shard, entry{std::move(*memory), size_bytes, 1, std::make_shared<verified_event>()});
  core::check(is_new, "a shard is added once");
  return view(added->second, true);
}

bool shard_table::release(const core::digest& shard) {
  const auto found = shards_.find(shard);
  core::check(found != shards_.end() && found->second.references > 0, "a reference is released once");
  if (--found->second.references > 0) return false;
  shards_.erase(found);
  return true;
}

std::shared_ptr<verified_event> shard_table::doubt(const core::digest& shard) {
  return shards_.at(shard).verified = std::make_shared<verified_event>();
}

std::optional<held_shard> shard_table::find(const core::digest& shard) const {
  const auto found = shards_.find(shard);
  if (found == shards_.end()) return std::nullopt;
  return view(found->second, false);
}

uint32_t shard_table::references(const core::digest& shard) const {
  const auto found = shards_.find(shard);
  return found == shards_.end() ? 0 : found->second.references;
}

} // namespace fastptm::gpu
