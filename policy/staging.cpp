// The states of the shards of one load; see staging.hpp.
#include "policy/staging.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/check.hpp"

namespace fastptm::policy {

staging::staging(const staging_options& options, uint32_t shards, core::time_us now)
    : options_(options), start_us_(now), news_us_(now), shards_(shards) {}

void staging::ask(shard_state& shard) {
  shard.at = state::asked;
  ++shard.attempts;
}

staging::answer staging::look(shard_state& shard) {
  shard.looking = true;
  return answer::look;
}

bool staging::waits_for_a_load(const shard_state& shard) {
  return shard.at == state::awaited && !shard.verified && !shard.looking;
}

// -- what is heard of devices -----------------------------------------------------------------------------------------

bool staging::offered(uint32_t shard, core::time_us now) {
  auto& of = shards_[shard];
  if (of.verified) return false;
  of.offered = of.untried = true;
  of.starved = of.looked_last = false;
  if (of.at == state::awaited) of.at = state::unknown; // it has come
  news_us_ = std::max(news_us_, now);
  return true;
}

bool staging::partly_offered(uint32_t shard, core::time_us now) {
  news_us_ = std::max(news_us_, now);
  return !shards_[shard].verified;
}

void staging::expected(uint32_t shard, bool is_expected, core::time_us now) {
  auto& of = shards_[shard];
  if (is_expected) news_us_ = std::max(news_us_, now);
  if (of.at == state::unknown && is_expected && !of.awaited_in_vain)
    of.at = state::awaited;
  else if (of.at == state::awaited && !is_expected)
    of.at = state::unknown;
}

void staging::looked(uint32_t shard, core::time_us now) {
  shards_[shard].looking = false;
  news_us_ = std::max(news_us_, now);
}

std::vector<uint32_t> staging::located() {
  std::vector<uint32_t> asked;
  for (uint32_t i = 0; i < shards_.size(); ++i) {
    auto& of = shards_[i];
    if (of.at != state::unknown || of.verified || of.looking || (of.offered && !of.starved)) continue;
    ask(of);
    asked.push_back(i);
  }
  return asked;
}

// -- what is heard of the store ---------------------------------------------------------------------------------------

bool staging::staged(uint32_t shard) {
  auto& of = shards_[shard];
  core::check(of.at == state::asked, "the store answers what it was asked");
  of.at = state::staged;
  of.starved = false;
  return of.verified;
}

void staging::doubted(uint32_t shard) {
  for (uint32_t i = 0; i < shards_.size(); ++i)
    if (auto& other = shards_[i]; i != shard && other.at == state::staged && other.attempts > 0) --other.attempts;
}

std::optional<std::string> staging::refused(uint32_t shard, std::string why) {
  auto& of = shards_[shard];
  core::check(of.at == state::asked, "the store answers what it was asked");
  of.at = state::failed;
  of.why = std::move(why);
  if (!of.starved || of.verified || of.looking || !of.looked_last) return std::nullopt; // A device may have it.
  return of.why;
}

// -- what is heard of the load ----------------------------------------------------------------------------------------

staging::answer staging::starved(uint32_t shard) {
  auto& of = shards_[shard];
  if (of.verified) return answer::wait;
  of.starved = true;
  if (of.looking) return answer::wait;
  if (std::exchange(of.untried, false)) return look(of);
  if (of.at == state::asked || of.at == state::awaited) return answer::wait;
  if (of.at == state::failed || of.attempts >= options_.most_attempts)
    return std::exchange(of.looked_last, true) ? answer::give_up : look(of);
  ask(of);
  return answer::ask;
}

bool staging::verified(uint32_t shard) {
  auto& of = shards_[shard];
  of.verified = true;
  of.starved = false;
  return of.at == state::staged;
}

// -- time -------------------------------------------------------------------------------------------------------------

std::vector<uint32_t> staging::overdue(core::time_us now) {
  std::vector<uint32_t> overdue;
  if (now < news_us_ + options_.await_us) return overdue;
  for (uint32_t i = 0; i < shards_.size(); ++i) {
    auto& of = shards_[i];
    if (!waits_for_a_load(of)) continue;
    of.at = state::unknown;
    of.awaited_in_vain = of.looking = true;
    of.untried = false;
    overdue.push_back(i);
  }
  return overdue;
}

bool staging::timed_out(core::time_us progress_us, core::time_us now) const {
  return now >= std::max(progress_us, start_us_) + options_.timeout_us;
}

core::time_us staging::next_look_us(core::time_us progress_us) const {
  const bool awaits = std::any_of(shards_.begin(), shards_.end(), waits_for_a_load);
  const auto patience_us = awaits ? news_us_ + options_.await_us : std::numeric_limits<core::time_us>::max();
  return std::min(patience_us, std::max(progress_us, start_us_) + options_.timeout_us);
}

} // namespace fastptm::policy
