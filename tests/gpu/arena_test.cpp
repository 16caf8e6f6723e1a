// Leases: best fit, joining, bounds, and that no two overlap whatever the order.
#include "gpu/arena.hpp"

#include <map>

#include <gmock/gmock.h>

#include "core/random.hpp"

namespace fastptm::gpu {
namespace {

constexpr uint64_t granule = arena::granule_bytes;

// Memory that is never touched.
core::memory_region slab_of(uint64_t granules) {
  return {reinterpret_cast<std::byte*>(uintptr_t{1} << 30), granules * granule, core::memory_kind::host};
}

TEST(Arena, RoundsLeasesUpToGranules) {
  arena memory(slab_of(10));
  const auto one = memory.take(1);
  ASSERT_TRUE(one);
  EXPECT_EQ(one->region().size_bytes, granule);
  EXPECT_EQ(memory.used_bytes(), granule);
  const auto two = memory.take(granule + 1);
  ASSERT_TRUE(two);
  EXPECT_EQ(two->region().size_bytes, 2 * granule);
  EXPECT_EQ(two->region().address - memory.slab().address, static_cast<ptrdiff_t>(two->offset_bytes()));
}

TEST(Arena, TakesTheSmallestHoleThatIsLargeEnough) {
  arena memory(slab_of(10));
  auto a = memory.take(3 * granule), b = memory.take(granule), c = memory.take(2 * granule), d = memory.take(granule);
  const uint64_t small_hole = c->offset_bytes();
  a->release();
  c->release(); // holes of 3, 2 and, at the end, 3 granules
  EXPECT_EQ(memory.take(2 * granule)->offset_bytes(), small_hole);
}

TEST(Arena, JoinsFreedNeighbours) {
  arena memory(slab_of(8));
  auto a = memory.take(2 * granule), b = memory.take(2 * granule), c = memory.take(4 * granule);
  a->release();
  c->release();
  EXPECT_EQ(memory.largest_free_bytes(), 4 * granule);
  EXPECT_EQ(memory.free_bytes(), 6 * granule);
  b->release();
  EXPECT_EQ(memory.largest_free_bytes(), 8 * granule);
  EXPECT_TRUE(memory.take(8 * granule));
}

TEST(Arena, SaysWhatIsFreeWhenNothingFits) {
  arena memory(slab_of(4));
  auto a = memory.take(granule), b = memory.take(granule), c = memory.take(granule), d = memory.take(granule);
  a->release();
  c->release();
  const auto refused = memory.take(2 * granule);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, core::errc::does_not_fit);
  EXPECT_THAT(refused.error().message, testing::HasSubstr("8192 of 16384 free"));
  EXPECT_EQ(memory.take(UINT64_MAX).error().code, core::errc::does_not_fit);
}

TEST(Arena, TakesThePlaceThatWasPlannedOrSaysThatItIsNotFree) {
  arena memory(slab_of(8));
  auto planned = memory.take_at(2 * granule, granule + 1);
  ASSERT_TRUE(planned);
  EXPECT_EQ(planned->offset_bytes(), 2 * granule);
  EXPECT_EQ(planned->region().size_bytes, 2 * granule);
  for (const uint64_t offset : {granule, 3 * granule, 7 * granule, 5 * granule + 1, 9 * granule}) {
    const auto refused = memory.take_at(offset, 2 * granule);
    ASSERT_FALSE(refused) << offset;
    EXPECT_EQ(refused.error().code, core::errc::does_not_fit);
  }
  EXPECT_EQ(memory.take_at(4 * granule, UINT64_MAX).error().code, core::errc::does_not_fit);
  EXPECT_EQ(memory.used_bytes(), 2 * granule);
}

TEST(Arena, MovesALeaseWithoutGivingItBack) {
  arena memory(slab_of(4));
  auto a = memory.take(granule);
  lease moved = std::move(*a);
  EXPECT_FALSE(*a);
  EXPECT_EQ(memory.used_bytes(), granule);
  moved = lease{};
  EXPECT_EQ(memory.used_bytes(), 0u);
}

TEST(Arena, NeverOverlapsLeasesAndLosesNothing) {
  constexpr uint64_t seed = 99;
  RecordProperty("seed", std::to_string(seed));
  core::prng random(seed);
  arena memory(slab_of(500));
  std::vector<lease> held;
  for (int step = 0; step < 20'000; ++step) {
    if (held.empty() || random.below(2) == 0) {
      if (auto taken = memory.take(1 + random.below(40 * granule))) held.push_back(std::move(*taken));
    } else {
      std::swap(held[random.below(held.size())], held.back());
      held.pop_back();
    }
    if (step % 100 != 0) continue;
    std::map<uint64_t, uint64_t> ranges;
    uint64_t sum_bytes = 0;
    for (const lease& each : held) {
      ranges.emplace(each.offset_bytes(), each.region().size_bytes);
      sum_bytes += each.region().size_bytes;
    }
    ASSERT_EQ(ranges.size(), held.size());
    ASSERT_EQ(memory.used_bytes(), sum_bytes);
    uint64_t end = 0;
    for (const auto& [offset, size_bytes] : ranges) {
      ASSERT_GE(offset, end);
      end = offset + size_bytes;
    }
    ASSERT_LE(end, memory.size_bytes());
  }
  held.clear();
  EXPECT_EQ(memory.largest_free_bytes(), memory.size_bytes());
}

TEST(ArenaDeathTest, DiesWhenALeaseOutlivesIt) {
  EXPECT_DEATH(
      {
        auto memory = std::make_unique<arena>(slab_of(4));
        auto taken = memory->take(granule);
        memory.reset();
      },
      "outlives its leases");
}

} // namespace
} // namespace fastptm::gpu
