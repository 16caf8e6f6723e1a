// What only the host device has: memory, the thread team, and the choice of instructions.
#include <atomic>
#include <fstream>
#include <latch>
#include <numeric>
#include <sstream>

#include <gmock/gmock.h>
#include <sys/mman.h>

#include "gpu/backends.hpp"
#include "gpu/host/kernel_table.hpp"
#include "gpu/host/memory.hpp"
#include "gpu/host/thread_team.hpp"
#include "tests/support/until.hpp"

namespace fastptm::gpu::host {
namespace {

TEST(HostMemory, IsAlignedAndZero) {
  const auto made = mapping::make((5u << 20) + 1);
  ASSERT_TRUE(made) << made.error().message;
  const core::memory_region region = made->region();
  EXPECT_EQ(region.size_bytes, 6u << 20);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(region.address) % huge_page_bytes, 0u);
  EXPECT_TRUE(
      std::all_of(region.address, region.address + region.size_bytes, [](std::byte b) { return b == std::byte{0}; }));
}

// Whether the kernel has every page of it in memory.
bool is_resident(core::memory_region region) {
  std::vector<unsigned char> pages(region.size_bytes / 4096);
  EXPECT_EQ(mincore(region.address, region.size_bytes, pages.data()), 0);
  return std::all_of(pages.begin(), pages.end(), [](unsigned char page) { return (page & 1) != 0; });
}

TEST(HostMemory, PagesComeAsFarAsTheyAreWantedAndLeaveAloneWhatWasWritten) {
  const auto made = mapping::make(8u << 20);
  ASSERT_TRUE(made) << made.error().message;
  const core::memory_region region = made->region(), lower = region.slice(0, 4u << 20);
  EXPECT_FALSE(is_resident(lower));
  region.address[(3u << 20) + 5] = std::byte{7};
  {
    page_warmer warmer(region);
    warmer.reach(lower.size_bytes);
    warmer.reach(1);
    EXPECT_TRUE(tests::until([&] { return is_resident(lower); }));
    EXPECT_FALSE(is_resident(region));
    warmer.reach(2 * region.size_bytes);
    EXPECT_TRUE(tests::until([&] { return is_resident(region); }));
  }
  EXPECT_EQ(region.address[(3u << 20) + 5], std::byte{7});
}

TEST(HostMemory, RefusesMoreThanTheHostHas) {
  const auto refused = mapping::make(uint64_t{1} << 45);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, core::errc::does_not_fit);
}

TEST(ThreadTeam, RunsEveryPieceOnce) {
  for (const unsigned size : {1u, 2u, 4u}) {
    thread_team team(size);
    for (const uint32_t count : {0u, 1u, 2u, 3u, 100u, 1000u}) {
      std::vector<std::atomic<int>> ran(count);
      std::atomic<unsigned> largest_member{0};
      team.for_each(count, [&](uint32_t piece, unsigned member) {
        ++ran[piece];
        if (member >= size) largest_member = member;
      });
      EXPECT_TRUE(std::all_of(ran.begin(), ran.end(), [](const auto& n) { return n == 1; }))
          << size << " threads, " << count;
      EXPECT_EQ(largest_member, 0u);
    }
  }
}

TEST(ThreadTeam, SeesWhatTheJobBeforeWrote) {
  thread_team team(3);
  std::vector<uint64_t> values(64, 1);
  uint64_t expected = 1;
  for (int round = 0; round < 5'000; ++round) {
    std::vector<uint64_t> next(values.size());
    team.for_each(static_cast<uint32_t>(values.size()),
                  [&](uint32_t i, unsigned) { next[i] = values[i] + 2 * values[(i + 1) % values.size()]; });
    values = next;
    expected *= 3;
  }
  EXPECT_THAT(values, testing::Each(expected));
}

TEST(ThreadTeam, LetsTwoThreadsWorkAtOnce) {
  thread_team team(2);
  std::latch both(2);
  // Each piece waits for the other: with one thread this would never end.
  team.for_each(2, [&](uint32_t, unsigned) { both.arrive_and_wait(); });
  EXPECT_TRUE(both.try_wait());
}

TEST(HostDevice, ChoosesTheBestInstructionsOfThisProcessor) {
  auto made = make_device("host", {"host0", 1, 1});
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ((*made)->info().isa, isa_name());
  EXPECT_TRUE(is_supported(best_isa()));
  std::ifstream cpuinfo("/proc/cpuinfo");
  std::stringstream text;
  text << cpuinfo.rdbuf();
  EXPECT_EQ(is_supported(isa::avx512), text.str().find(" avx512f") != std::string::npos);
}

TEST(HostDevice, RefusesWhatItCannotBe) {
  EXPECT_EQ(make_device("cuda", {"gpu0", 1 << 20, 1}).error().code, core::errc::unavailable);
  EXPECT_EQ(make_device("tpu", {"tpu0", 1 << 20, 1}).error().code, core::errc::invalid);
  EXPECT_EQ(make_device("host", {"host0", 1 << 20, 0}).error().code, core::errc::invalid);
  const auto too_large = make_device("host", {"host0", uint64_t{1} << 45, 1});
  EXPECT_EQ(too_large.error().code, core::errc::does_not_fit);
  EXPECT_THAT(too_large.error().message, testing::HasSubstr("host0"));
}

} // namespace
} // namespace fastptm::gpu::host
