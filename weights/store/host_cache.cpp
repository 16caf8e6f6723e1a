// The table of cached shards, and who goes for room in the slab.
#include "weights/store/host_cache.hpp"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/check.hpp"
#include "core/log.hpp"

namespace fastptm::weights {

namespace {

constexpr uint64_t first_bytes = 64 << 20; // enough for a first load
constexpr uint64_t step_bytes = 16 << 20;
constexpr core::duration_us grow_after_us = 500'000; // the nodes of a machine start meanwhile
constexpr int grower_niceness = 5;                   // a third of the weight of what computes

} // namespace

// -- leases -----------------------------------------------------------------------------------------------------------

cache_lease& cache_lease::operator=(cache_lease&& other) noexcept {
  std::swap(cache_, other.cache_);
  std::swap(shard_, other.shard_);
  return *this;
}

void cache_lease::release() {
  if (auto* cache = std::exchange(cache_, nullptr)) cache->release(shard_);
}

void host_cache::release(const core::digest& shard) {
  core::mutex_lock lock(mutex_);
  auto& leased = entries_.at(shard);
  core::check(leased.leases > 0, "a lease is released once");
  if (--leased.leases == 0 && leased.unneeded) forget(shard);
}

// -- life -------------------------------------------------------------------------------------------------------------

core::result<std::unique_ptr<host_cache>> host_cache::create(uint64_t size_bytes, object_reader& disk) {
  auto memory = transport::sealed_memory::reserve("fastptm-host-cache", size_bytes);
  if (!memory) return core::fail("host cache", memory.error());
  const auto present = std::min(memory->region().size_bytes, first_bytes);
  if (auto first = memory->bring_in(0, present); !first) return core::fail("host cache", first.error());
  return std::unique_ptr<host_cache>(new host_cache(std::move(*memory), present, disk));
}

host_cache::host_cache(transport::sealed_memory memory, uint64_t present_bytes, object_reader& disk)
    : memory_(std::move(memory)), disk_(disk), places_(present_bytes) {
  growing_ = present_bytes < memory_.region().size_bytes;
  if (growing_) grower_ = std::thread([this] { grow(); });
}

host_cache::~host_cache() {
  {
    core::mutex_lock lock(mutex_);
    stopping_ = true;
  }
  grow_now_.notify_one();
  if (grower_.joinable()) grower_.join();
}

// -- growing ----------------------------------------------------------------------------------------------------------

void host_cache::grow() {
  pthread_setname_np(pthread_self(), "cache-grower");
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), grower_niceness); // of this thread alone, on Linux
  {
    core::mutex_lock lock(mutex_);
    const auto quiet_until = std::chrono::steady_clock::now() + std::chrono::microseconds(grow_after_us);
    while (!stopping_ && !in_need_ && grow_now_.wait_until(lock, quiet_until)) {
    }
  }
  for (bool more = true; more;) {
    more = add_step();
    std::function<void()> grown;
    {
      const core::mutex_lock lock(mutex_);
      grown = grown_;
    }
    if (grown) grown(); // also after the last one: what waits may take the place of others then
  }
}

void host_cache::when_grown(std::function<void()> grown) {
  const core::mutex_lock lock(mutex_);
  grown_ = std::move(grown);
}

bool host_cache::add_step() {
  core::mutex_lock lock(mutex_);
  const auto step = std::min(step_bytes, memory_.region().size_bytes - places_.size_bytes());
  const auto offset = places_.size_bytes();
  if (stopping_ || step == 0) {
    growing_ = false;
    return false;
  }
  lock.unlock();
  const auto added = memory_.bring_in(offset, step);
  lock.lock();
  growing_ = added.has_value();
  if (!added) {
    core::log::error("store", "cache-stays-small", "{} of {} MiB: {}: lower hostCacheMib", offset >> 20,
                     memory_.region().size_bytes >> 20, added.error().message);
    return false;
  }
  places_.grow(step);
  return true;
}

uint64_t host_cache::present_bytes() const {
  core::mutex_lock lock(mutex_);
  return places_.size_bytes();
}

// -- staging ----------------------------------------------------------------------------------------------------------

void host_cache::stage(stage_request request, std::function<void(staged)> done) {
  core::mutex_lock lock(mutex_);
  if (const auto found = entries_.find(request.shard); found != entries_.end()) {
    auto& entry = found->second;
    entry.unneeded = false;
    if (entry.reading) {
      entry.waiters.push_back(std::move(done));
      return;
    }
    ++entry.leases;
    recency_.splice(recency_.end(), recency_, entry.place);
    const auto offset = entry.offset_bytes;
    lock.unlock();
    return done({cache_lease(this, request.shard), offset, false, 0, 0, 0});
  }
  const auto offset = make_room(request.size_bytes);
  if (!offset) {
    lock.unlock();
    return done({core::fail(offset.error()), 0, false, 0, 0, 0});
  }
  auto& entry = entries_[request.shard];
  entry.offset_bytes = *offset;
  entry.size_bytes = request.size_bytes;
  entry.reading = true;
  entry.place = recency_.insert(recency_.end(), request.shard);
  entry.waiters.push_back(std::move(done));
  const auto target = memory_.region().slice(*offset, request.size_bytes);
  lock.unlock();
  const auto asked =
      disk_.submit({std::move(request.file), target, std::move(request.chunk_checksums)},
                   [this, shard = request.shard](disk_read_result result) { on_read(shard, std::move(result)); });
  if (!asked) on_read(request.shard, {core::fail(asked.error()), 0, 0, 0});
}

void host_cache::on_read(const core::digest& shard, disk_read_result result) {
  core::mutex_lock lock(mutex_);
  auto& entry = entries_.at(shard);
  const auto waiters = std::exchange(entry.waiters, {});
  const auto offset = entry.offset_bytes;
  entry.reading = false;
  if (result.outcome)
    entry.leases = static_cast<uint32_t>(waiters.size());
  else
    forget(shard);
  lock.unlock();
  for (const auto& done : waiters) {
    core::result<cache_lease> lease = core::fail(core::errc::internal, "");
    if (result.outcome)
      lease = cache_lease(this, shard);
    else
      lease = core::fail(result.outcome.error());
    done({std::move(lease), offset, true, result.bad_chunks, result.start_us, result.end_us});
  }
}

uint64_t host_cache::drop_unleased() {
  core::mutex_lock lock(mutex_);
  const auto before = places_.used_bytes();
  const auto all = recency_;
  for (const auto& shard : all)
    if (const auto& entry = entries_.at(shard); entry.leases == 0 && !entry.reading) forget(shard);
  return before - places_.used_bytes();
}

void host_cache::forget_unneeded(const core::digest& shard) {
  core::mutex_lock lock(mutex_);
  const auto found = entries_.find(shard);
  if (found == entries_.end()) return;
  if (found->second.leases == 0 && !found->second.reading)
    forget(shard);
  else
    found->second.unneeded = true;
}

uint64_t host_cache::used_bytes() const {
  core::mutex_lock lock(mutex_);
  return places_.used_bytes();
}

bool host_cache::holds(const core::digest& shard) const {
  core::mutex_lock lock(mutex_);
  const auto found = entries_.find(shard);
  return found != entries_.end() && !found->second.reading;
}

// -- space (locked) ---------------------------------------------------------------------------------------------------

// Evicts the least recently used shards until a hole is large enough. What cannot be met evicts nothing but what was
// looked at before it was known: leased shards may lie in the way.
core::result<uint64_t> host_cache::make_room(uint64_t size_bytes) {
  if (size_bytes > memory_.region().size_bytes)
    return core::fail(core::errc::does_not_fit, fmt::format("a shard of {} bytes is larger than the host cache of {}",
                                                            size_bytes, memory_.region().size_bytes));
  for (auto next = recency_.begin();;) {
    if (const auto offset = places_.take(size_bytes)) return *offset;
    if (growing_) { // sooner than what others use
      in_need_ = true;
      grow_now_.notify_one();
      return core::fail(core::errc::busy, fmt::format("{} of {} bytes of the host cache have come into memory",
                                                      places_.size_bytes(), memory_.region().size_bytes));
    }
    while (next != recency_.end() && (entries_.at(*next).leases > 0 || entries_.at(*next).reading)) ++next;
    if (next == recency_.end())
      return core::fail(core::errc::busy, fmt::format("no room for {} bytes in the host cache: {} of {} are in use",
                                                      size_bytes, places_.used_bytes(), memory_.region().size_bytes));
    const auto victim = *next++;
    forget(victim);
  }
}

void host_cache::forget(const core::digest& shard) {
  const auto found = entries_.find(shard);
  core::check(found->second.leases == 0 && !found->second.reading, "what is in use is not forgotten");
  places_.give_back(found->second.offset_bytes, found->second.size_bytes);
  recency_.erase(found->second.place);
  entries_.erase(found);
}

} // namespace fastptm::weights
