// The table of exported regions: pins keep bytes readable, withdrawal waits for them.
#include "transport/exporter.hpp"

#include <fmt/format.h>

#include "core/check.hpp"

namespace fastptm::transport {

exported exporter::add(exportable what) {
  core::mutex_lock lock(mutex_);
  const auto name = exported{++last_region_, ++generation_};
  regions_.emplace(name.region, entry{what, name.generation, 0, false, {}});
  return name;
}

void exporter::withdraw(exported name, std::function<void()> done) {
  {
    core::mutex_lock lock(mutex_);
    const auto found = regions_.find(name.region);
    if (found != regions_.end() && found->second.generation == name.generation) {
      found->second.withdrawn = true;
      if (found->second.pins > 0) {
        found->second.waiting.push_back(std::move(done));
        return;
      }
      regions_.erase(found);
    }
  }
  done();
}

core::result<core::memory_region> exporter::pin(const remote_range& range) {
  core::mutex_lock lock(mutex_);
  const auto found = regions_.find(range.region);
  if (found == regions_.end() || found->second.generation != range.generation || found->second.withdrawn)
    return core::fail(core::errc::not_found,
                      fmt::format("region {} is not exported any more: ask who holds the shard now", range.region));
  auto& region = found->second;
  const auto size = region.what.memory.size_bytes;
  if (range.length_bytes == 0 || range.offset_bytes > size || range.length_bytes > size - range.offset_bytes)
    return core::fail(core::errc::invalid, fmt::format("{} bytes at {} are outside of region {} with {} bytes",
                                                       range.length_bytes, range.offset_bytes, range.region, size));
  ++region.pins;
  return region.what.memory.slice(range.offset_bytes, range.length_bytes);
}

void exporter::unpin(const remote_range& range) {
  std::vector<std::function<void()>> waiting;
  {
    core::mutex_lock lock(mutex_);
    const auto found = regions_.find(range.region);
    core::check(found != regions_.end() && found->second.pins > 0, "unpin follows pin");
    if (--found->second.pins > 0 || !found->second.withdrawn) return;
    waiting = std::move(found->second.waiting);
    regions_.erase(found);
  }
  for (auto& done : waiting) done();
}

core::result<exportable> exporter::mappable(exported name) const {
  core::mutex_lock lock(mutex_);
  const auto found = regions_.find(name.region);
  if (found == regions_.end() || found->second.generation != name.generation || found->second.withdrawn)
    return core::fail(core::errc::not_found, fmt::format("region {} is not exported any more", name.region));
  if (found->second.what.sealed_file < 0)
    return core::fail(core::errc::not_found, fmt::format("region {} cannot be mapped: copy from it", name.region));
  return found->second.what;
}

} // namespace fastptm::transport
