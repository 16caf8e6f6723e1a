// Three lists: of this round, behind it, before it.
#include "policy/scrubbing.hpp"

#include <algorithm>
#include <limits>

#include "core/check.hpp"

namespace fastptm::policy {

void scrubbing::add(uint64_t shard, uint64_t size_bytes) {
  core::check(size_bytes > 0, "a shard has bytes");
  bytes_ += size_bytes;
  const auto chunks = static_cast<uint32_t>((size_bytes + options_.chunk_bytes - 1) / options_.chunk_bytes);
  // It was verified just now: this round is not about it.
  places_[shard] = checked_.insert(checked_.end(), {shard, size_bytes, chunks, 0, round_, false});
}

std::list<scrubbing::entry>& scrubbing::list_of(const entry& one) {
  if (one.is_suspected) return suspected_;
  return one.round == round_ ? checked_ : waiting_;
}

void scrubbing::remove(uint64_t shard) {
  const auto found = places_.extract(shard);
  if (!found) return;
  bytes_ -= found.mapped()->size_bytes;
  list_of(*found.mapped()).erase(found.mapped());
}

void scrubbing::gone(uint64_t shard) {
  due_us_ = due_before_us_;
  remove(shard);
}

void scrubbing::suspect(uint64_t shard) {
  const auto found = places_.find(shard);
  if (found == places_.end() || found->second->is_suspected) return;
  auto& one = *found->second;
  suspected_.splice(suspected_.end(), list_of(one), found->second);
  one.next_chunk = 0;
  one.is_suspected = true;
}

std::optional<scrubbing::step> scrubbing::next(core::time_us now) {
  due_before_us_ = due_us_;
  if (!suspected_.empty()) return take(suspected_);
  if (now < next_us()) return std::nullopt;
  if (waiting_.empty()) {
    waiting_.swap(checked_);
    ++round_;
    round_began_us_ = now;
  }
  const auto& first = waiting_.front();
  const auto bytes = std::min(options_.chunk_bytes, first.size_bytes - first.next_chunk * options_.chunk_bytes);
  // What was missed while the processor had better to do is not made up for.
  due_us_ = now + static_cast<core::duration_us>(bytes * 1'000'000 / rate_bps());
  return take(waiting_);
}

core::time_us scrubbing::next_us() const {
  constexpr auto never = std::numeric_limits<core::time_us>::max();
  if (!suspected_.empty()) return 0;
  if (options_.bytes_per_s == 0 || bytes_ == 0) return never;
  return waiting_.empty() ? std::max(due_us_, round_began_us_ + options_.round_us) : due_us_;
}

uint64_t scrubbing::rate_bps() const {
  const auto longest_s = static_cast<uint64_t>(options_.longest_round_us / 1'000'000);
  return std::max({uint64_t{1}, options_.bytes_per_s, bytes_ / std::max<uint64_t>(longest_s, 1)});
}

scrubbing::step scrubbing::take(std::list<entry>& from) {
  auto& first = from.front();
  const step out{first.shard, first.next_chunk};
  if (++first.next_chunk == first.chunks) {
    first.next_chunk = 0;
    first.round = round_;
    first.is_suspected = false;
    checked_.splice(checked_.end(), from, from.begin());
  }
  return out;
}

} // namespace fastptm::policy
