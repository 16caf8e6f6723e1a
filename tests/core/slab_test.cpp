// Best fit, joining and places; against a model that has one flag a byte.
#include "core/slab.hpp"

#include <map>

#include <gtest/gtest.h>

#include "core/random.hpp"

namespace fastptm::core {
namespace {

// What the class promises, the slow way.
class byte_map {
public:
  explicit byte_map(size_t size) : taken_(size) {}

  void set(uint64_t offset, uint64_t size, bool taken) {
    for (uint64_t i = offset; i < offset + size; ++i) {
      ASSERT_NE(taken_[i], taken) << "byte " << i;
      taken_[i] = taken;
    }
  }
  bool is_free(uint64_t offset, uint64_t size) const {
    if (offset + size > taken_.size()) return false;
    for (uint64_t i = offset; i < offset + size; ++i)
      if (taken_[i]) return false;
    return true;
  }
  std::map<uint64_t, uint64_t> holes() const { // size by offset
    std::map<uint64_t, uint64_t> found;
    for (uint64_t i = 0; i < taken_.size(); ++i) {
      if (taken_[i]) continue;
      const uint64_t start = i;
      while (i < taken_.size() && !taken_[i]) ++i;
      found[start] = i - start;
    }
    return found;
  }
  std::optional<uint64_t> best_fit(uint64_t size) const {
    std::optional<uint64_t> best;
    const auto all = holes();
    for (const auto& [offset, bytes] : all)
      if (bytes >= size && (!best || bytes < all.at(*best))) best = offset;
    return best;
  }
  void grow(size_t more) { taken_.resize(taken_.size() + more); }

private:
  std::vector<bool> taken_;
};

void expect_equal(const slab& tried, const byte_map& model) {
  uint64_t free = 0, largest = 0;
  const auto holes = model.holes();
  for (const auto& [offset, size] : holes) {
    free += size;
    largest = std::max(largest, size);
  }
  ASSERT_EQ(tried.free_bytes(), free);
  ASSERT_EQ(tried.largest_free_bytes(), largest);
  ASSERT_EQ(tried.free_ranges(), holes.size());
}

TEST(Slab, TakesTheSmallestHoleThatIsLargeEnough) {
  slab s(100);
  ASSERT_EQ(s.take(30), 0u);
  ASSERT_EQ(s.take(10), 30u);
  ASSERT_EQ(s.take(20), 40u);
  ASSERT_EQ(s.take(10), 60u);
  s.give_back(0, 30);
  s.give_back(40, 20); // holes of 30, 20 and 30 bytes
  EXPECT_EQ(s.take(15), 40u);
  EXPECT_EQ(s.take(30), 0u) << "the lower one of equals";
  EXPECT_EQ(s.take(31), std::nullopt);
  EXPECT_EQ(s.used_bytes(), 65u);
}

TEST(Slab, JoinsFreedNeighbours) {
  slab s(80);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(s.take(20));
  s.give_back(0, 20);
  s.give_back(40, 20);
  EXPECT_EQ(s.free_ranges(), 2u);
  s.give_back(20, 20);
  EXPECT_EQ(s.free_ranges(), 1u);
  EXPECT_EQ(s.largest_free_bytes(), 60u);
  s.give_back(60, 20);
  EXPECT_EQ(s.largest_free_bytes(), 80u);
}

TEST(Slab, TakesAPlaceOnlyWhereAllOfItIsFree) {
  slab s(100);
  EXPECT_TRUE(s.take_at(40, 20));
  EXPECT_FALSE(s.take_at(40, 1));
  EXPECT_FALSE(s.take_at(39, 2));
  EXPECT_FALSE(s.take_at(59, 2));
  EXPECT_FALSE(s.take_at(90, 11));
  EXPECT_FALSE(s.take_at(100, 1));
  EXPECT_FALSE(s.take_at(90, UINT64_MAX - 50)) << "sizes do not wrap";
  EXPECT_EQ(s.used_bytes(), 20u) << "what is refused takes nothing";
  EXPECT_TRUE(s.take_at(0, 40));
  EXPECT_TRUE(s.take_at(60, 40));
  EXPECT_EQ(s.free_ranges(), 0u);
}

TEST(Slab, GivesBackPartsOfWhatWasTakenTogether) {
  slab s(100);
  ASSERT_TRUE(s.take(100));
  s.give_back(10, 20);
  EXPECT_EQ(s.take(20), 10u);
}

TEST(Slab, GrowsAtItsEnd) {
  slab s;
  EXPECT_EQ(s.take(1), std::nullopt);
  s.grow(10);
  ASSERT_EQ(s.take(4), 0u);
  s.grow(10);
  EXPECT_EQ(s.largest_free_bytes(), 16u) << "joined to what was free there";
  EXPECT_EQ(s.size_bytes(), 20u);
}

// What a plan and a device rely on.
TEST(Slab, GivesTheSamePlacesWhateverTheOrderOfReturns) {
  slab one(300), other(300);
  for (slab* s : {&one, &other})
    for (int i = 0; i < 6; ++i) ASSERT_TRUE(s->take(50));
  for (const uint64_t offset : {50, 100, 200}) one.give_back(offset, 50);
  for (const uint64_t offset : {200, 100, 50}) other.give_back(offset, 50);
  for (const uint64_t size : {40, 60, 10, 10}) EXPECT_EQ(one.take(size), other.take(size));
}

TEST(Slab, DoesWhatAMapOfEveryByteDoes) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    prng random(seed);
    slab tried(200);
    byte_map model(200);
    std::vector<std::pair<uint64_t, uint64_t>> held;
    for (int step = 0; step < 400; ++step) {
      const uint64_t size = 1 + random.below(random.below(4) == 0 ? 60 : 12);
      const uint64_t choice = random.below(10);
      if (choice < 4) {
        const auto expected = model.best_fit(size);
        const auto offset = tried.take(size);
        ASSERT_EQ(offset, expected);
        if (!offset) continue;
        model.set(*offset, size, true);
        held.emplace_back(*offset, size);
      } else if (choice < 6) {
        const uint64_t offset = random.below(tried.size_bytes());
        const bool is_free = model.is_free(offset, size);
        ASSERT_EQ(tried.take_at(offset, size), is_free);
        if (!is_free) continue;
        model.set(offset, size, true);
        held.emplace_back(offset, size);
      } else if (!held.empty()) {
        std::swap(held[random.below(held.size())], held.back());
        const auto [offset, bytes] = held.back();
        held.pop_back();
        tried.give_back(offset, bytes);
        model.set(offset, bytes, false);
      } else {
        tried.grow(size);
        model.grow(size);
      }
      expect_equal(tried, model);
    }
    for (const auto& [offset, bytes] : held) tried.give_back(offset, bytes);
    EXPECT_EQ(tried.largest_free_bytes(), tried.size_bytes());
  }
}

TEST(SlabDeathTest, DiesWhenARangeIsGivenBackTwice) {
  slab s(100);
  ASSERT_TRUE(s.take(50));
  s.give_back(0, 20);
  EXPECT_DEATH(s.give_back(0, 20), "given back once");
  EXPECT_DEATH(s.give_back(10, 20), "given back once");
  EXPECT_DEATH(s.give_back(40, 20), "given back once");
  EXPECT_DEATH(s.give_back(90, 20), "lies in the slab");
}

} // namespace
} // namespace fastptm::core
