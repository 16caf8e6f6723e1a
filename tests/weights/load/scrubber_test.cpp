// Flips in watched memory are found where they are, and nobody reads what was withdrawn.
#include "weights/load/scrubber.hpp"

#include <gmock/gmock.h>

#include "core/random.hpp"
#include "tests/support/until.hpp"
#include "weights/format/hash.hpp"

namespace fastptm::weights {
namespace {

constexpr uint64_t size_bytes = 2 * chunk_bytes + 5'000;

class Scrubber : public testing::Test {
protected:
  Scrubber() : memory_(size_bytes) {
    SCOPED_TRACE(seed_);
    for (auto& byte : memory_) byte = static_cast<std::byte>(random_.below(256));
    for (uint64_t at = 0; at < size_bytes; at += chunk_bytes)
      checksums_.push_back(chunk_checksum(memory_.data() + at, std::min(chunk_bytes, size_bytes - at)));
  }

  transport::exported watch(scrubber& by) {
    const auto name = exports_.add({{memory_.data(), size_bytes, core::memory_kind::host}, -1});
    by.watch(name, size_bytes, checksums_, [this](const wrong_chunk& of) {
      const core::mutex_lock lock(mutex_);
      damages_.push_back(of);
    });
    return name;
  }
  std::vector<wrong_chunk> damages() {
    const core::mutex_lock lock(mutex_);
    return damages_;
  }
  void go_over(scrubber& by) {
    for (int i = 0; i < 4; ++i) {
      clock_.advance(20'000'000);
      by.check();
    }
  }

  const uint64_t seed_ = core::true_random_u64();
  core::prng random_{seed_};
  std::vector<std::byte> memory_;
  std::vector<uint64_t> checksums_;
  transport::exporter exports_;
  core::manual_clock clock_;
  core::mutex mutex_; // the scrubber's thread tells
  std::vector<wrong_chunk> damages_;
};

TEST_F(Scrubber, FindsEveryFlippedBitOnce) {
  scrubber by({.bytes_per_s = 1'000'000}, exports_, clock_);
  watch(by);
  go_over(by);
  EXPECT_TRUE(damages().empty());
  EXPECT_GE(by.checked_bytes(), size_bytes);
  const auto at = random_.below(size_bytes);
  memory_[at] ^= static_cast<std::byte>(1u << random_.below(8));
  go_over(by);
  go_over(by);
  ASSERT_EQ(damages().size(), 1u) << "it was said";
  EXPECT_EQ(damages()[0].chunk, at / chunk_bytes);
  EXPECT_EQ(damages()[0].expected, checksums_[at / chunk_bytes]);
  EXPECT_NE(damages()[0].found, damages()[0].expected);
}

// Thousands at once, each in a shard of its own.
TEST_F(Scrubber, FindsTenThousandFlippedBitsWithinOneRound) {
  constexpr uint64_t shards = 10'000, bytes = 4096;
  std::vector<std::byte> many(shards * bytes);
  for (auto& byte : many) byte = static_cast<std::byte>(random_.below(256));
  scrubber by({.bytes_per_s = 110 << 20}, exports_, clock_);
  std::vector<uint32_t> found(shards);
  for (uint64_t i = 0; i < shards; ++i) {
    auto* at = many.data() + i * bytes;
    by.watch(exports_.add({{at, bytes, core::memory_kind::host}, -1}), bytes, {chunk_checksum(at, bytes)},
             [&found, i](const wrong_chunk&) { ++found[i]; });
  }
  for (uint64_t i = 0; i < shards; ++i)
    many[i * bytes + random_.below(bytes)] ^= static_cast<std::byte>(1u << random_.below(8));
  const auto end_us = clock_.now_us() + 2 * policy::scrubbing_options().round_us; // the round under way, and one
  while (clock_.now_us() < end_us)
    clock_.advance(std::clamp<core::duration_us>(by.check() - clock_.now_us(), 1, end_us - clock_.now_us()));
  EXPECT_THAT(found, testing::Each(1u)) << "seed " << seed_;
}

TEST_F(Scrubber, LooksAtASuspectBeforeItsTime) {
  scrubber by({.bytes_per_s = 0}, exports_, clock_);
  const auto name = watch(by);
  memory_[size_bytes - 1] ^= std::byte{1};
  by.check();
  EXPECT_TRUE(damages().empty());
  by.suspect(name);
  for (int i = 0; i < 3; ++i) by.check();
  ASSERT_EQ(damages().size(), 1u);
  EXPECT_EQ(damages()[0].chunk, 2u);
}

TEST_F(Scrubber, LeavesAloneWhatWasWithdrawn) {
  scrubber by({.bytes_per_s = 1'000'000}, exports_, clock_);
  const auto name = watch(by);
  bool is_free = false;
  exports_.withdraw(name, [&] { is_free = true; });
  EXPECT_TRUE(is_free);
  memory_[0] ^= std::byte{1};
  go_over(by);
  EXPECT_TRUE(damages().empty());
  EXPECT_EQ(by.checked_bytes(), 0u);
}

TEST_F(Scrubber, HasAThreadOfItsOwnThatEndsWithIt) {
  const core::monotonic_clock real;
  scrubber by({.bytes_per_s = 1 << 20}, exports_, real);
  by.start();
  const auto name = watch(by);
  by.suspect(name);
  EXPECT_TRUE(tests::until([&] { return by.checked_bytes() >= size_bytes; }));
  memory_[chunk_bytes] ^= std::byte{4};
  by.suspect(name);
  EXPECT_TRUE(tests::until([&] { return damages().size() == 1; }));
}

} // namespace
} // namespace fastptm::weights
