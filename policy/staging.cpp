// The states of the shards of one load; see staging.hpp.
#include "policy/staging.hpp"

#include <algorithm>
#include <limits>

#include "core/check.hpp"

namespace fastptm::policy {

staging::staging(const staging_options& options, uint32_t shards, core::time_us now)
    : options_(options), start_us_(now), news_us_(now), shards_(shards) {}

void staging::ask(shard_state& shard) {
  shard.at = state::asked;
  ++shard.attempts;
}

// -- what is heard of devices -----------------------------------------------------------------------------------------

bool staging::offered(uint32_t shard, core::time_us now) {
  auto& of = shards_[shard];
  if (of.verified) return false;
  of.offered = true;
  of.starved = false;
  news_us_ = std::max(news_us_, now);
  return true;
}

void staging::expected(uint32_t shard, bool is_expected) {
  auto& at = shards_[shard].at;
  if (at == state::unknown && is_expected)
    at = state::awaited;
  else if (at == state::awaited && !is_expected)
    at = state::unknown;
}

std::vector<uint32_t> staging::located() {
  std::vector<uint32_t> asked;
  for (uint32_t i = 0; i < shards_.size(); ++i) {
    auto& of = shards_[i];
    if (of.at != state::unknown || of.verified || (of.offered && !of.starved)) continue;
    ask(of);
    asked.push_back(i);
  }
  return asked;
}

// -- what is heard of the store ---------------------------------------------------------------------------------------

void staging::staged(uint32_t shard) {
  auto& of = shards_[shard];
  core::check(of.at == state::asked, "the store answers what it was asked");
  of.at = state::staged;
  of.starved = false;
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
  if (!of.starved || of.verified) return std::nullopt; // A device has it.
  return of.why;
}

// -- what is heard of the load ----------------------------------------------------------------------------------------

staging::answer staging::starved(uint32_t shard) {
  auto& of = shards_[shard];
  if (of.verified) return answer::wait;
  of.starved = true;
  if (of.at == state::asked || of.at == state::awaited) return answer::wait;
  if (of.at == state::failed || of.attempts >= options_.most_attempts) return answer::give_up;
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
  std::vector<uint32_t> asked;
  if (now < news_us_ + options_.await_us) return asked;
  for (uint32_t i = 0; i < shards_.size(); ++i) {
    if (shards_[i].at != state::awaited || shards_[i].verified) continue;
    ask(shards_[i]);
    asked.push_back(i);
  }
  return asked;
}

bool staging::timed_out(core::time_us progress_us, core::time_us now) const {
  return now >= std::max(progress_us, start_us_) + options_.timeout_us;
}

core::time_us staging::next_look_us(core::time_us progress_us) const {
  const auto waits = [](const shard_state& of) { return of.at == state::awaited && !of.verified; };
  const bool awaits = std::any_of(shards_.begin(), shards_.end(), waits);
  const auto patience_us = awaits ? news_us_ + options_.await_us : std::numeric_limits<core::time_us>::max();
  return std::min(patience_us, std::max(progress_us, start_us_) + options_.timeout_us);
}

} // namespace fastptm::policy
