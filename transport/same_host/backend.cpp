// Queues between callers, one mapper thread and the copy pool.
#include "transport/same_host/backend.hpp"

#include <algorithm>
#include <cstring>
#include <pthread.h>

#include <fmt/format.h>

#include "core/check.hpp"

namespace fastptm::transport::same_host {

namespace {

constexpr uint64_t touch_step_bytes = 64 << 20;

} // namespace

backend::backend(backend_options options) : options_(std::move(options)), secret_(options_.secret) {
  core::check(options_.copiers != nullptr, "mapped memory is copied by a pool");
  mapper_ = std::thread([this] { run_mapper(); });
  pthread_setname_np(mapper_.native_handle(), "map-connect");
}

backend::~backend() {
  std::deque<job> left;
  {
    core::mutex_lock lock(mutex_);
    stopping_ = true;
    left.swap(copies_);
  }
  map_arrived_.notify_all();
  mapper_.join();
  {
    core::mutex_lock lock(mutex_);
    while (turns_ > 0) turns_over_.wait(lock);
  }
  for (auto& [where, region] : mapped_)
    std::move(region.waiting.begin(), region.waiting.end(), std::back_inserter(left));
  for (auto& one : left) finish(one, core::fail(core::errc::cancelled, "this node is stopping"));
}

// -- callers ----------------------------------------------------------------------------------------------------------

core::result<fetch_id> backend::fetch(const peer_address& peer, const fetch_request& request, fetch_done done) {
  core::check(request.timeout_us > 0, "a fetch has a deadline");
  core::check(request.target.size_bytes >= request.source.length_bytes, "the target holds what is fetched");
  const exported region{request.source.region, request.source.generation};
  core::mutex_lock lock(mutex_);
  if (outstanding_ >= options_.fetches_in_flight)
    return core::fail(core::errc::busy, fmt::format("{} fetches are in flight", outstanding_));
  ++outstanding_;
  job made{{++last_fetch_}, request, clock_.now_us(), std::move(done), nullptr};
  const auto id = made.id;
  const auto found = mapped_.find({peer.node, peer.incarnation, region.region, region.generation});
  if (found != mapped_.end() && found->second.memory) {
    made.from = found->second.memory;
    queue_copy(std::move(made));
    return id;
  }
  std::vector<job> of_earlier_lives;
  if (found == mapped_.end()) of_earlier_lives = start_mapping(peer, region);
  mapped_[{peer.node, peer.incarnation, region.region, region.generation}].waiting.push_back(std::move(made));
  lock.unlock();
  for (auto& one : of_earlier_lives)
    finish(one, core::fail(core::errc::unavailable, fmt::format("{} has started again", peer.node)));
  return id;
}

std::vector<backend::job> backend::start_mapping(const peer_address& peer, exported region) {
  auto of_earlier_lives = forget(
      [&](const place& where) { return std::get<0>(where) == peer.node && std::get<1>(where) != peer.incarnation; });
  mapped_[{peer.node, peer.incarnation, region.region, region.generation}];
  map_jobs_.push_back({peer, region});
  map_arrived_.notify_one();
  return of_earlier_lives;
}

template <class Which> std::vector<backend::job> backend::forget(Which is_meant) {
  std::vector<job> waited;
  std::erase_if(mapped_, [&](auto& entry) {
    if (!is_meant(entry.first)) return false;
    std::move(entry.second.waiting.begin(), entry.second.waiting.end(), std::back_inserter(waited));
    return true;
  });
  return waited;
}

void backend::cancel(fetch_id id) {
  std::optional<job> found;
  const auto take = [&](auto& jobs) {
    const auto at = std::find_if(jobs.begin(), jobs.end(), [&](const job& one) { return one.id == id; });
    if (at == jobs.end()) return;
    found = std::move(*at);
    jobs.erase(at);
  };
  {
    core::mutex_lock lock(mutex_);
    take(copies_);
    for (auto& [where, region] : mapped_) take(region.waiting);
  }
  if (found) finish(*found, core::fail(core::errc::cancelled, "the fetch was cancelled"));
}

// Copies under way keep their mapping until they are done.
void backend::close_peer(std::string_view node, uint64_t incarnation) {
  std::vector<job> left;
  {
    const core::mutex_lock lock(mutex_);
    left = forget([&](const place& where) { return std::get<0>(where) == node && std::get<1>(where) == incarnation; });
  }
  for (auto& one : left) finish(one, core::fail(core::errc::unavailable, fmt::format("{} was declared lost", node)));
}

// -- threads ----------------------------------------------------------------------------------------------------------

void backend::run_mapper() {
  core::mutex_lock lock(mutex_);
  for (;;) {
    while (!stopping_ && map_jobs_.empty()) map_arrived_.wait(lock);
    if (stopping_) return;
    const auto what = std::move(map_jobs_.front());
    map_jobs_.pop_front();
    lock.unlock();
    auto memory = map_region(what.peer, what.region, secret_, options_.connect_us);
    lock.lock();
    const auto found =
        mapped_.find({what.peer.node, what.peer.incarnation, what.region.region, what.region.generation});
    if (found == mapped_.end()) continue; // the peer was closed meanwhile
    auto waiting = std::move(found->second.waiting);
    if (memory) {
      found->second.memory = *memory;
      for (auto& one : waiting) {
        one.from = *memory;
        queue_copy(std::move(one));
      }
      lock.unlock();
      touch_all(**memory);
      lock.lock();
      continue;
    }
    mapped_.erase(found); // the next fetch tries again
    lock.unlock();
    for (auto& one : waiting) finish(one, core::fail(memory.error()));
    lock.lock();
  }
}

// In steps, so that a stop need not wait for a slab of many gigabytes.
void backend::touch_all(const mapping& memory) {
  for (uint64_t at = 0; at < memory.size_bytes() && !stopping_; at += touch_step_bytes)
    memory.touch(at, touch_step_bytes);
}

// Locked. Every copy gets a turn of the pool; one that was cancelled meanwhile leaves its turn empty.
void backend::queue_copy(job what) {
  copies_.push_back(std::move(what));
  ++turns_;
  options_.copiers->submit([this] { copy_next(); });
}

void backend::copy_next() {
  core::mutex_lock lock(mutex_);
  if (!copies_.empty()) {
    auto what = std::move(copies_.front());
    copies_.pop_front();
    lock.unlock();
    copy(what);
    lock.lock();
  }
  if (--turns_ == 0) turns_over_.notify_all();
}

void backend::copy(job& what) {
  const auto& range = what.request.source;
  const auto size = what.from->size_bytes();
  if (range.length_bytes == 0 || range.offset_bytes > size || range.length_bytes > size - range.offset_bytes)
    return finish(what,
                  core::fail(core::errc::invalid, fmt::format("{} bytes at {} are outside of a region of {} bytes",
                                                              range.length_bytes, range.offset_bytes, size)));
  fetched outcome{range.length_bytes, 0, path::map, std::nullopt};
  const auto* source = what.from->address() + range.offset_bytes;
  if (options_.copy)
    outcome.checksum = options_.copy(what.request.target.address, source, range.length_bytes);
  else
    std::memcpy(what.request.target.address, source, range.length_bytes);
  outcome.duration_us = clock_.now_us() - what.called_us;
  finish(what, outcome);
}

void backend::finish(const job& what, core::result<fetched> outcome) {
  {
    core::mutex_lock lock(mutex_);
    --outstanding_;
  }
  what.done(std::move(outcome));
}

} // namespace fastptm::transport::same_host
