// Sets that share shards in one memory.
#include "policy/residency.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "core/random.hpp"

namespace fastptm::policy {

namespace {
constexpr model_index m(uint32_t i) {
  return {i};
}
shard_size s(uint32_t shard, uint64_t bytes) {
  return {{shard}, bytes};
}
} // namespace

TEST(Residency, GivesUpTheLeastRecentlyUsedFirstWhereAllAreWorthTheSame) {
  residency r(30);
  const std::vector one{s(1, 10)}, two{s(2, 10)}, three{s(3, 10)}, four{s(4, 10)};
  r.add(m(1), one);
  r.add(m(2), two);
  r.add(m(3), three);
  r.touch(m(1));
  std::vector<model_index> victims;
  ASSERT_EQ(r.plan(m(4), four, victims), fit::evicting);
  EXPECT_EQ(victims, std::vector{m(2)});
  r.pin(m(2));
  ASSERT_EQ(r.plan(m(4), four, victims), fit::evicting);
  EXPECT_EQ(victims, std::vector{m(3)});
  const auto wanted = [](model_index x, uint64_t) { return set_cost{.wanted = x == m(3)}; };
  ASSERT_EQ(r.plan(m(4), four, victims, wanted), fit::evicting);
  EXPECT_EQ(victims, std::vector{m(1)}) << "a wanted set stays while another will do";
}

TEST(Residency, GivesUpWhatIsCheapestPerByte) {
  residency r(40);
  r.add(m(1), std::vector{s(1, 10)});
  r.add(m(2), std::vector{s(2, 20)});
  r.add(m(3), std::vector{s(3, 10)});
  const auto prices = [](model_index x, uint64_t) {
    return set_cost{.price_us = std::array{0.0, 9.0, 10.0, 8.0}[x.value]};
  };
  std::vector<model_index> victims;
  ASSERT_EQ(r.plan(m(4), std::vector{s(4, 10)}, victims, prices), fit::evicting);
  EXPECT_EQ(victims, std::vector{m(2)}) << "0.5 a byte beats 0.8 and 0.9";
  ASSERT_EQ(r.plan(m(4), std::vector{s(4, 30)}, victims, prices), fit::evicting);
  EXPECT_EQ(victims, (std::vector{m(2), m(3)}));
}

TEST(Residency, AsksForThePriceOfTheBytesThatAreASetsOwn) {
  residency r(30);
  r.add(m(1), std::vector{s(1, 20), s(2, 5)});
  r.add(m(2), std::vector{s(1, 20), s(3, 4)});
  std::vector<uint64_t> asked;
  std::vector<model_index> victims;
  const auto price = [&](model_index, uint64_t bytes) {
    asked.push_back(bytes);
    return set_cost{};
  };
  r.plan(m(3), std::vector{s(4, 10)}, victims, price);
  EXPECT_EQ(asked, (std::vector<uint64_t>{5, 4}));
}

TEST(Residency, CountsSharedShardsOnce) {
  residency r(30);
  const std::vector base{s(0, 20), s(1, 5)}, tuned{s(0, 20), s(2, 5)}, other{s(9, 25)};
  r.add(m(1), base);
  EXPECT_EQ(r.missing_bytes(tuned), 5u);
  std::vector<model_index> victims;
  EXPECT_EQ(r.plan(m(2), tuned, victims), fit::fits);
  r.add(m(2), tuned);
  EXPECT_EQ(r.used_bytes(), 30u);
  ASSERT_EQ(r.plan(m(3), other, victims), fit::evicting);
  EXPECT_EQ(victims.size(), 2u) << "the shared shard is only free when both are gone";
  r.remove(m(1));
  EXPECT_EQ(r.used_bytes(), 25u);
  r.remove(m(2));
  EXPECT_EQ(r.used_bytes(), 0u);
}

TEST(Residency, KeepsWhatTheNewSetNeeds) {
  residency r(30);
  const std::vector base{s(0, 20), s(1, 10)}, tuned{s(0, 20), s(2, 10)};
  r.add(m(1), base);
  std::vector<model_index> victims;
  ASSERT_EQ(r.plan(m(2), tuned, victims), fit::evicting);
  EXPECT_EQ(victims, std::vector{m(1)});
  r.remove(m(1));
  r.add(m(2), tuned);
  EXPECT_EQ(r.used_bytes(), 30u);
}

TEST(Residency, SaysWhetherItIsPinnedOrTooLarge) {
  residency r(20);
  const std::vector one{s(1, 20)}, two{s(2, 15)}, huge{s(3, 21)};
  r.add(m(1), one);
  r.pin(m(1));
  std::vector<model_index> victims;
  EXPECT_EQ(r.plan(m(2), two, victims), fit::pinned);
  EXPECT_EQ(r.plan(m(3), huge, victims), fit::too_large);
  EXPECT_EQ(r.plan(m(1), one, victims), fit::resident);
  EXPECT_TRUE(victims.empty());
}

TEST(Residency, GivesUpASetThatLiesInTheWayThoughTheBytesWouldDo) {
  residency r(40);
  for (uint32_t i = 0; i < 4; ++i) r.add(m(i), std::vector{s(i, 10)});
  r.remove(m(0));
  r.remove(m(2)); // Free: 0 to 10 and 20 to 30.
  std::vector<model_index> victims;
  EXPECT_EQ(r.plan(m(5), std::vector{s(5, 10), s(6, 10)}, victims), fit::fits) << "each shard has a hole of its own";
  ASSERT_EQ(r.plan(m(5), std::vector{s(5, 20)}, victims), fit::evicting);
  EXPECT_EQ(victims, std::vector{m(1)}) << "the least recently used one, and one is enough";
  r.pin(m(1));
  r.pin(m(3));
  EXPECT_EQ(r.plan(m(5), std::vector{s(5, 20)}, victims), fit::pinned);
}

TEST(Residency, GivesUpEvenASharedShardThatLiesInTheMiddle) {
  residency r(30);
  r.add(m(1), std::vector{s(1, 10)});
  r.add(m(2), std::vector{s(2, 10)});
  r.remove(m(1)); // The shard lies from 10 to 20.
  std::vector<model_index> victims;
  const std::vector both{s(2, 10), s(3, 20)};
  ASSERT_EQ(r.plan(m(3), both, victims), fit::evicting);
  EXPECT_EQ(victims, std::vector{m(2)});
  r.remove(m(2));
  r.add(m(3), both);
  EXPECT_EQ(r.offset_bytes({3}), 10u);
}

TEST(Residency, TakesASetWhereTheDeviceHasIt) {
  residency r(40);
  ASSERT_TRUE(r.add_at(m(1), std::vector{s(1, 10), s(2, 10)}, std::vector<uint64_t>{20, 0}));
  EXPECT_EQ(r.offset_bytes({1}), 20u);
  EXPECT_EQ(r.offset_bytes({3}), std::nullopt);
  EXPECT_FALSE(r.add_at(m(2), std::vector{s(3, 5), s(1, 10)}, std::vector<uint64_t>{10, 30})) << "it lies at 20";
  EXPECT_FALSE(r.add_at(m(2), std::vector{s(3, 5), s(4, 10)}, std::vector<uint64_t>{10, 25})) << "shard 1 lies there";
  EXPECT_FALSE(r.add_at(m(2), std::vector{s(3, 5), s(4, 10)}, std::vector<uint64_t>{10, 35})) << "beyond the memory";
  EXPECT_FALSE(r.holds(m(2)));
  EXPECT_EQ(r.used_bytes(), 20u) << "what cannot be leaves nothing behind";
  EXPECT_TRUE(r.add_at(m(2), std::vector{s(3, 5), s(1, 10)}, std::vector<uint64_t>{10, 20}));
  EXPECT_EQ(r.used_bytes(), 25u);
}

// Against a plain recount, with many shared shards.
TEST(Residency, NeverExceedsItsSizeNorGivesUpMoreThanNeeded) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    core::prng random(seed);
    residency r(100);
    std::map<uint32_t, uint64_t> size_of;
    for (uint32_t i = 0; i < 12; ++i) size_of[i] = 1 + random.below(30);
    std::map<uint32_t, std::vector<shard_size>> sets;
    for (uint32_t x = 0; x < 20; ++x) {
      std::set<uint32_t> chosen;
      for (uint64_t n = 1 + random.below(4); n > 0; --n) chosen.insert(static_cast<uint32_t>(random.below(12)));
      for (const uint32_t c : chosen) sets[x].push_back(s(c, size_of[c]));
    }
    std::set<uint32_t> resident, pinned;
    const auto bytes_of = [&](const std::set<uint32_t>& all) {
      std::set<uint32_t> shards;
      for (const uint32_t x : all)
        for (const auto& sh : sets[x]) shards.insert(sh.shard.value);
      uint64_t sum = 0;
      for (const uint32_t sh : shards) sum += size_of[sh];
      return sum;
    };
    std::vector<model_index> victims;
    for (int step = 0; step < 200; ++step) {
      const auto x = static_cast<uint32_t>(random.below(20));
      if (resident.contains(x)) {
        if (pinned.contains(x)) {
          r.unpin(m(x));
          pinned.erase(x);
        } else {
          r.pin(m(x));
          pinned.insert(x);
        }
        continue;
      }
      const fit f = r.plan(m(x), sets[x], victims);
      if (f != fit::fits && f != fit::evicting) continue;
      auto after = resident;
      for (const model_index v : victims) {
        ASSERT_FALSE(pinned.contains(v.value));
        after.erase(v.value);
      }
      after.insert(x);
      ASSERT_LE(bytes_of(after), 100u);
      for (const model_index v : victims) {
        residency without = r;
        for (const model_index other : victims)
          if (other != v) without.remove(other);
        std::vector<model_index> more;
        ASSERT_NE(without.plan(m(x), sets[x], more), fit::fits) << "victim " << v.value << " was not needed";
      }
      for (const model_index v : victims) r.remove(v);
      r.add(m(x), sets[x]);
      resident = after;
      ASSERT_EQ(r.used_bytes(), bytes_of(resident));
      core::slab places(100); // No two shards overlap, and what two sets share lies in one place.
      std::set<uint32_t> placed;
      for (const uint32_t held : resident) {
        for (const auto& sh : sets[held]) {
          if (!placed.insert(sh.shard.value).second) continue;
          ASSERT_TRUE(places.take_at(*r.offset_bytes(sh.shard), sh.bytes)) << "shard " << sh.shard.value;
        }
      }
    }
  }
}

TEST(ResidencyDeath, RefusesToDropAPinnedSet) {
  residency r(10);
  r.add(m(1), std::vector{s(1, 10)});
  r.pin(m(1));
  EXPECT_DEATH(r.remove(m(1)), "pinned");
}

} // namespace fastptm::policy
