// Memory is gone over within its time, evenly, suspected shards first.
#include "policy/scrubbing.hpp"

#include <map>

#include <gmock/gmock.h>

#include "core/random.hpp"

namespace fastptm::policy {
namespace {

using core::duration_us;
using core::time_us;

constexpr uint64_t mib = 1 << 20, chunk_bytes = 4 * mib;
constexpr time_us second_us = 1'000'000;
constexpr scrubbing_options hundred_mib{.bytes_per_s = 100 * mib, .chunk_bytes = chunk_bytes};

// All steps until then, with when they were taken by who comes as early as there is something.
std::vector<std::pair<time_us, scrubbing::step>> steps_until(scrubbing& of, time_us now, time_us end_us) {
  std::vector<std::pair<time_us, scrubbing::step>> taken;
  while ((now = std::max(now, of.next_us())) < end_us) {
    const auto step = of.next(now);
    EXPECT_TRUE(step) << "it said that there would be something";
    if (!step) break;
    taken.emplace_back(now, *step);
  }
  return taken;
}

// The longest that any chunk waited for its next check.
duration_us longest_pause_us(const std::vector<std::pair<time_us, scrubbing::step>>& taken, time_us from_us) {
  std::map<std::pair<uint64_t, uint32_t>, time_us> last;
  duration_us longest_us = 0;
  for (const auto& [at, step] : taken) {
    auto& before = last.try_emplace({step.shard, step.chunk}, from_us).first->second;
    longest_us = std::max(longest_us, at - before);
    before = at;
  }
  return longest_us;
}

TEST(Scrubbing, GoesOverAGibWithinTenSecondsOrSo) {
  scrubbing plan(hundred_mib);
  for (uint64_t shard = 0; shard < 64; ++shard) plan.add(shard, 16 * mib);
  const auto taken = steps_until(plan, 0, 60 * second_us);
  EXPECT_LE(longest_pause_us(taken, 0), 16 * second_us); // the first round waits for its five seconds
  EXPECT_NEAR(static_cast<double>(taken.size()), (60 - 5) * 100 / 4.0, 10) << "no more than it may";
}

// Small sets that come and go leave many of these behind: they must not make the round of the others longer.
TEST(Scrubbing, WhatIsGoneTakesNoTimeOfTheOthers) {
  scrubbing plan(hundred_mib);
  for (uint64_t shard = 0; shard < 1'000; ++shard) plan.add(shard, 1 * mib);
  const auto now = plan.next_us();
  for (uint64_t shard = 0; shard < 999; ++shard) {
    const auto step = plan.next(now);
    ASSERT_TRUE(step);
    ASSERT_EQ(step->shard, shard);
    plan.gone(shard);
  }
  const auto last = plan.next(now);
  ASSERT_TRUE(last);
  EXPECT_EQ(last->shard, 999u);
  EXPECT_FALSE(plan.next(now)) << "it was read, and takes its time";
}

TEST(Scrubbing, OfLittleMemoryCostsLittle) {
  scrubbing plan(hundred_mib);
  plan.add(1, 8 * mib);
  plan.add(2, 1 * mib);
  const auto taken = steps_until(plan, 0, 60 * second_us);
  EXPECT_LE(taken.size(), 3u * 12);
  EXPECT_LE(longest_pause_us(taken, 0), 6 * second_us);
}

TEST(Scrubbing, OfMuchMemoryIsFasterSoThatItEnds) {
  scrubbing plan(hundred_mib);
  for (uint64_t shard = 0; shard < 140; ++shard) plan.add(shard, 1024 * mib);
  EXPECT_LE(longest_pause_us(steps_until(plan, 0, 1'300 * second_us), 0), 620 * second_us);
}

TEST(Scrubbing, OfManySmallShardsTakesAsLongAsTheirBytes) {
  scrubbing plan(hundred_mib);
  for (uint64_t shard = 0; shard < 100'000; ++shard) plan.add(shard, 4096);
  EXPECT_LE(longest_pause_us(steps_until(plan, 0, 60 * second_us), 0), 10 * second_us) << "of 400 MB";
}

TEST(Scrubbing, LooksAtASuspectAtOnceAndAtAllOfIt) {
  scrubbing plan(hundred_mib);
  plan.add(1, 40 * mib);
  plan.add(2, 12 * mib);
  plan.suspect(2);
  for (uint32_t chunk = 0; chunk < 3; ++chunk) {
    const auto step = plan.next(1);
    ASSERT_TRUE(step);
    EXPECT_EQ(step->shard, 2u);
    EXPECT_EQ(step->chunk, chunk);
  }
  EXPECT_FALSE(plan.next(2)) << "the rest has time";
}

TEST(Scrubbing, DoesNotMakeUpForWhatItMissed) {
  scrubbing plan(hundred_mib);
  plan.add(1, 400 * mib);
  ASSERT_TRUE(plan.next(3'600 * second_us));
  EXPECT_FALSE(plan.next(3'600 * second_us)) << "a machine that was busy for an hour is not made busy";
}

TEST(Scrubbing, ThatIsOffLooksAtSuspectsOnly) {
  scrubbing plan({.bytes_per_s = 0, .chunk_bytes = chunk_bytes});
  plan.add(1, 4 * mib);
  EXPECT_FALSE(plan.next(1'000 * second_us));
  plan.suspect(1);
  EXPECT_TRUE(plan.next(1'000 * second_us));
  EXPECT_FALSE(plan.next(2'000 * second_us));
}

TEST(Scrubbing, MissesNoChunkWhateverComesAndGoes) {
  const uint64_t seed = core::true_random_u64();
  SCOPED_TRACE(seed);
  core::prng random(seed);
  scrubbing plan(hundred_mib);
  std::map<uint64_t, uint32_t> chunks; // of shards that are there
  std::map<std::pair<uint64_t, uint32_t>, time_us> checked;
  time_us now = 0;
  for (uint64_t shard = 1; now < 600 * second_us; ++shard) {
    const auto count = static_cast<uint32_t>(1 + random.below(5));
    plan.add(shard, count * chunk_bytes);
    chunks[shard] = count;
    for (uint32_t chunk = 0; chunk < count; ++chunk) checked[{shard, chunk}] = now;
    if (chunks.size() > 20 || random.below(3) == 0) {
      const auto gone = std::next(chunks.begin(), static_cast<long>(random.below(chunks.size())));
      plan.remove(gone->first);
      for (uint32_t chunk = 0; chunk < gone->second; ++chunk) checked.erase({gone->first, chunk});
      chunks.erase(gone);
    }
    if (!chunks.empty() && random.below(4) == 0)
      plan.suspect(std::next(chunks.begin(), static_cast<long>(random.below(chunks.size())))->first);
    const auto until_us = now + static_cast<duration_us>(random.below(3 * second_us));
    for (const auto& [at, step] : steps_until(plan, now, until_us)) {
      ASSERT_TRUE(chunks.contains(step.shard)) << "what is gone is not checked";
      ASSERT_LT(step.chunk, chunks[step.shard]);
      checked[{step.shard, step.chunk}] = at;
    }
    now = until_us;
    for (const auto& [chunk, at] : checked)
      ASSERT_LE(now - at, 20 * second_us) << "chunk " << chunk.second << " of shard " << chunk.first;
  }
}

} // namespace
} // namespace fastptm::policy
