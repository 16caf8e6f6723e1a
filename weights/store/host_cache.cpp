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
  std::swap(offset_bytes_, other.offset_bytes_);
  return *this;
}

void cache_lease::release() {
  if (auto* cache = std::exchange(cache_, nullptr)) cache->release(shard_, offset_bytes_);
}

void host_cache::release(const core::digest& shard, uint64_t offset_bytes) {
  core::mutex_lock lock(mutex_);
  if (const auto found = condemned_.find(offset_bytes); found != condemned_.end()) {
    auto& [offset, copy] = *found;
    if (--copy.leases > 0) return;
    places_.give_back(offset, copy.size_bytes);
    condemned_.erase(found);
    return;
  }
  auto& leased = entries_.at(shard);
  core::check(leased.leases > 0 && leased.offset_bytes == offset_bytes, "a lease is released once");
  --leased.leases;
  if (leased.is_idle() && leased.unneeded) forget(shard);
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

void host_cache::stage(stage_request request, std::function<void(staged)> done,
                       std::function<void(staged_part)> progress) {
  auto who = std::make_shared<const waiter>(std::move(done), std::move(progress));
  core::mutex_lock lock(mutex_);
  if (const auto found = entries_.find(request.shard); found != entries_.end()) {
    auto& entry = found->second;
    entry.unneeded = false;
    if (entry.at != state::verified) {
      entry.waiting.push_back(std::move(who));
      return;
    }
    ++entry.leases;
    recency_.splice(recency_.end(), recency_, entry.place);
    const auto offset = entry.offset_bytes;
    lock.unlock();
    return hand_out(request.shard, offset, {std::move(who)}, nullptr);
  }
  const auto offset = make_room(request.size_bytes);
  if (!offset) {
    lock.unlock();
    staged refused;
    refused.outcome = core::fail(offset.error());
    return who->done(std::move(refused));
  }
  auto& entry = entries_[request.shard];
  entry.what = request;
  entry.offset_bytes = *offset;
  entry.place = recency_.insert(recency_.end(), request.shard);
  entry.waiting.push_back(std::move(who));
  const auto target = memory_.region().slice(*offset, request.size_bytes);
  lock.unlock();
  const auto asked =
      disk_.submit({std::move(request.file), target, std::move(request.chunk_checksums),
                    [this, shard = request.shard](uint32_t chunks) { on_part(shard, chunks); }},
                   [this, shard = request.shard](disk_read_result result) { on_read(shard, std::move(result)); });
  if (!asked) on_read(request.shard, {core::fail(asked.error()), 0, {}, 0, 0});
}

void host_cache::on_part(const core::digest& shard, uint32_t chunks) {
  core::mutex_lock lock(mutex_);
  auto& entry = entries_.at(shard);
  auto to = entry.waiting;
  std::erase_if(to, [](const auto& one) { return !one->progress; });
  entry.is_partly_told |= !to.empty();
  const auto offset = entry.offset_bytes;
  lock.unlock();
  for (const auto& one : to) one->progress({offset, chunks});
}

// What somebody may be reading stays in its place, damaged or not.
bool host_cache::is_leased(const waiter& one, bool is_good, bool is_partly_told) {
  return is_good || (is_partly_told && one.progress);
}

void host_cache::on_read(const core::digest& shard, disk_read_result result) {
  core::mutex_lock lock(mutex_);
  auto& entry = entries_.at(shard);
  const auto to = std::exchange(entry.waiting, {});
  const auto offset = entry.offset_bytes;
  const bool is_partly_told = entry.is_partly_told;
  const auto leases = std::ranges::count_if(
      to, [&](const auto& one) { return is_leased(*one, result.outcome.has_value(), is_partly_told); });
  entry.leases = static_cast<uint32_t>(leases);
  entry.at = state::verified;
  if (!result.outcome) condemn(shard);
  lock.unlock();
  if (!result.outcome) {
    const auto& why = result.outcome.error();
    if (why.code == core::errc::corrupt || why.code == core::errc::not_found)
      tell({cache_finding::kind::damaged_object, shard, why.message});
  }
  hand_out(shard, offset, to, &result, is_partly_told);
}

// Their leases are counted already. `read` is how it came from the disk for them; null: it was here.
void host_cache::hand_out(const core::digest& shard, uint64_t offset_bytes, const waiters& to,
                          const disk_read_result* read, bool is_partly_told) {
  for (const auto& one : to) {
    staged out;
    out.offset_bytes = offset_bytes;
    out.from_disk = read != nullptr;
    if (read != nullptr) {
      out.outcome = read->outcome;
      out.bad_chunks = read->bad_chunks;
      out.start_us = read->start_us;
      out.end_us = read->end_us;
    }
    if (is_leased(*one, out.outcome.has_value(), is_partly_told)) out.lease = cache_lease(this, shard, offset_bytes);
    one->done(std::move(out));
  }
}

// -- doubts -----------------------------------------------------------------------------------------------------------

void host_cache::check_again(const core::digest& shard, uint64_t offset_bytes) {
  core::mutex_lock lock(mutex_);
  const auto found = entries_.find(shard);
  if (found == entries_.end() || found->second.offset_bytes != offset_bytes || found->second.at != state::verified)
    return;
  auto& entry = found->second;
  entry.at = state::checking;
  const auto bytes = memory_.region().slice(offset_bytes, entry.what.size_bytes);
  auto checksums = entry.what.chunk_checksums;
  lock.unlock();
  const auto asked = disk_.check_again(bytes, std::move(checksums),
                                       [this, shard](const disk_read_result& result) { on_checked(shard, result); });
  if (!asked) on_checked(shard, {core::fail(asked.error()), 0, {}, 0, 0});
}

// Where it could not be looked at, it stays: whoever takes its bytes checks them, and doubts again.
void host_cache::on_checked(const core::digest& shard, const disk_read_result& result) {
  core::mutex_lock lock(mutex_);
  auto& entry = entries_.at(shard);
  const auto to = std::exchange(entry.waiting, {});
  const auto offset = entry.offset_bytes;
  const auto what = entry.what;
  entry.at = state::verified;
  const bool is_damaged = result.bad_chunks > 0;
  if (is_damaged) {
    condemn(shard);
  } else {
    entry.leases += static_cast<uint32_t>(to.size());
    if (entry.is_idle() && entry.unneeded) forget(shard);
  }
  lock.unlock();
  if (is_damaged)
    tell({cache_finding::kind::damaged_copy, shard, result.outcome.error().message});
  else if (result.outcome)
    tell({cache_finding::kind::good_copy, shard, {}});
  if (!is_damaged) return hand_out(shard, offset, to, nullptr);
  for (const auto& one : to) stage(what, one->done, one->progress); // from the disk: the first of them reads
}

void host_cache::when_found(std::function<void(cache_finding)> found) {
  const core::mutex_lock lock(mutex_);
  found_ = std::move(found);
}

void host_cache::tell(cache_finding finding) {
  std::function<void(cache_finding)> found;
  {
    const core::mutex_lock lock(mutex_);
    found = found_;
  }
  if (found) found(std::move(finding));
}

// -- what is there ----------------------------------------------------------------------------------------------------

uint64_t host_cache::drop_unleased() {
  core::mutex_lock lock(mutex_);
  const auto before = places_.used_bytes();
  const auto all = recency_;
  for (const auto& shard : all)
    if (entries_.at(shard).is_idle()) forget(shard);
  return before - places_.used_bytes();
}

void host_cache::forget_unneeded(const core::digest& shard) {
  core::mutex_lock lock(mutex_);
  const auto found = entries_.find(shard);
  if (found == entries_.end()) return;
  if (found->second.is_idle())
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
  return found != entries_.end() && found->second.at != state::reading;
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
    while (next != recency_.end() && !entries_.at(*next).is_idle()) ++next;
    if (next == recency_.end())
      return core::fail(core::errc::busy, fmt::format("no room for {} bytes in the host cache: {} of {} are in use",
                                                      size_bytes, places_.used_bytes(), memory_.region().size_bytes));
    const auto victim = *next++;
    forget(victim);
  }
}

void host_cache::forget(const core::digest& shard) {
  const auto found = entries_.find(shard);
  core::check(found->second.is_idle(), "what is in use is not forgotten");
  places_.give_back(found->second.offset_bytes, found->second.what.size_bytes);
  recency_.erase(found->second.place);
  entries_.erase(found);
}

// Nobody gets this copy any more; whoever leases it keeps its place from being used.
void host_cache::condemn(const core::digest& shard) {
  const auto found = entries_.find(shard);
  if (found->second.is_idle()) return forget(shard);
  condemned_[found->second.offset_bytes] = {found->second.what.size_bytes, found->second.leases};
  recency_.erase(found->second.place);
  entries_.erase(found);
}

} // namespace fastptm::weights
