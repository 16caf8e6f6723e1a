// The plan says which chunk, the exporter keeps it in place, the hash decides.
#include "weights/load/scrubber.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/check.hpp"
#include "weights/format/hash.hpp"

namespace fastptm::weights {

namespace {

constexpr int niceness = 19; // next to whatever computes
// Long enough to cost nothing, short enough that a clock that was set does not matter.
constexpr core::duration_us longest_sleep_us = 1'000'000;

policy::scrubbing_options plan_of(const scrubber_options& options) {
  policy::scrubbing_options plan;
  plan.bytes_per_s = options.bytes_per_s;
  plan.chunk_bytes = chunk_bytes;
  return plan;
}

} // namespace

scrubber::scrubber(const scrubber_options& options, transport::exporter& exports, const core::clock& clock)
    : exports_(exports), clock_(clock), plan_(plan_of(options)) {}

scrubber::~scrubber() {
  {
    const core::mutex_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void scrubber::watch(transport::exported shard, uint64_t size_bytes, std::vector<uint64_t> chunk_checksums,
                     std::function<void(const wrong_chunk&)> damaged) {
  core::check(chunk_checksums.size() == chunk_count(size_bytes), "every chunk has a checksum");
  const core::mutex_lock lock(mutex_);
  plan_.add(shard.region, size_bytes);
  watched_[shard.region] =
      std::make_shared<const watched>(watched{shard, size_bytes, std::move(chunk_checksums), std::move(damaged)});
  changed_.notify_all();
}

void scrubber::suspect(transport::exported shard) {
  const core::mutex_lock lock(mutex_);
  plan_.suspect(shard.region);
  changed_.notify_all();
}

uint64_t scrubber::checked_bytes() const {
  const core::mutex_lock lock(mutex_);
  return checked_bytes_;
}

void scrubber::start() {
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "scrubber");
}

void scrubber::run() {
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), niceness); // of this thread alone, on Linux
  for (;;) {
    check();
    core::mutex_lock lock(mutex_);
    if (stopping_) return;
    const auto pause_us = std::min(plan_.next_us() - clock_.now_us(), longest_sleep_us);
    if (pause_us > 0) changed_.wait_until(lock, std::chrono::steady_clock::now() + std::chrono::microseconds(pause_us));
  }
}

core::time_us scrubber::check() {
  std::shared_ptr<const watched> shard;
  uint32_t chunk = 0;
  {
    const core::mutex_lock lock(mutex_);
    const auto step = plan_.next(clock_.now_us());
    if (!step) return plan_.next_us();
    shard = watched_.at(step->shard);
    chunk = step->chunk;
  }
  const auto found = checksum_of(*shard, chunk);
  const auto expected = shard->chunk_checksums[chunk];
  core::mutex_lock lock(mutex_);
  if (found) checked_bytes_ += std::min(chunk_bytes, shard->size_bytes - chunk * chunk_bytes);
  if (found != expected) {
    found ? plan_.remove(shard->name.region) : plan_.gone(shard->name.region); // damaged, or withdrawn
    watched_.erase(shard->name.region);
  }
  const auto next_us = plan_.next_us();
  lock.unlock();
  if (found && *found != expected) shard->damaged({chunk, expected, *found});
  return next_us;
}

// Nothing: it is not exported any more.
std::optional<uint64_t> scrubber::checksum_of(const watched& shard, uint32_t chunk) const {
  const uint64_t offset_bytes = chunk * chunk_bytes;
  const transport::remote_range range{shard.name.region, shard.name.generation, offset_bytes,
                                      std::min(chunk_bytes, shard.size_bytes - offset_bytes)};
  const auto pinned = exports_.pin(range);
  if (!pinned) return std::nullopt;
  const auto found = chunk_checksum(pinned->address, pinned->size_bytes);
  exports_.unpin(range);
  return found;
}

} // namespace fastptm::weights
