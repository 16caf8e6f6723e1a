// What control groups leave, in folders that look like /proc and /sys.
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "core/host_memory.hpp"
#include "core/units.hpp"

namespace fastptm::core {
namespace {

using namespace literals;
using testing::HasSubstr;

class HostMemory : public testing::Test {
protected:
  HostMemory() {
    std::string pattern = "/tmp/fastptm-memory-XXXXXX";
    root_ = ::mkdtemp(pattern.data());
  }
  ~HostMemory() override { std::filesystem::remove_all(root_); }

  void write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name) << text;
  }
  void write_group(const std::string& folder, const std::string& limit, uint64_t used, uint64_t cached = 0) const {
    write(folder + "/memory.max", limit + "\n");
    write(folder + "/memory.current", std::to_string(used) + "\n");
    write(folder + "/memory.stat", "anon 1\nfile " + std::to_string(cached) + "\nshmem 0\n");
  }

  std::filesystem::path root_;
};

TEST_F(HostMemory, IsWhatTheMachineHas) {
  write("proc/meminfo", "MemTotal:       16000000 kB\nMemAvailable:    2048 kB\n");
  const auto found = find_available_memory(root_);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->bytes, 2_MiB);
  EXPECT_THAT(found->limit, HasSubstr("MemAvailable"));
}

TEST_F(HostMemory, IsBoundByTheGroupAndThoseAboveIt) {
  write("proc/meminfo", "MemAvailable:    1048576 kB\n");
  write("proc/self/cgroup", "0::/outer/inner\n");
  write_group("sys/fs/cgroup/outer/inner", "max", 1_MiB);
  write_group("sys/fs/cgroup/outer", std::to_string(100_MiB), 40_MiB);
  const auto found = find_available_memory(root_);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->bytes, 60_MiB);
  EXPECT_THAT(found->limit, HasSubstr("outer/memory.max"));
}

TEST_F(HostMemory, ThePageCacheCountsAsFree) {
  write("proc/self/cgroup", "0::/\n");
  write_group("sys/fs/cgroup", std::to_string(100_MiB), 90_MiB, 50_MiB);
  EXPECT_EQ(find_available_memory(root_)->bytes, 60_MiB);
}

TEST_F(HostMemory, AGroupOfTheHostIsFoundAtTheTopOfAContainer) {
  write("proc/self/cgroup", "0::/system.slice/container-1\n");
  write_group("sys/fs/cgroup", std::to_string(10_MiB), 4_MiB);
  EXPECT_EQ(find_available_memory(root_)->bytes, 6_MiB);
}

TEST_F(HostMemory, OldGroupsCountToo) {
  write("proc/self/cgroup", "5:cpu,cpuacct:/a\n4:memory:/a\n");
  write("sys/fs/cgroup/memory/a/memory.limit_in_bytes", std::to_string(8_MiB));
  write("sys/fs/cgroup/memory/a/memory.usage_in_bytes", std::to_string(5_MiB));
  EXPECT_EQ(find_available_memory(root_)->bytes, 3_MiB);
}

TEST_F(HostMemory, IsUnknownWhereNothingCanBeRead) {
  EXPECT_FALSE(find_available_memory(root_));
}

TEST(CheckMemory, NamesTheLimitAndTheWayOut) {
  const auto refused = check_memory(uint64_t{1} << 60, "the arena", "lower arenaMib");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, errc::does_not_fit);
  EXPECT_THAT(refused.error().message, AllOf(HasSubstr("the arena"), HasSubstr("available"), HasSubstr("arenaMib")));
  EXPECT_TRUE(check_memory(1, "a byte", ""));
}

} // namespace
} // namespace fastptm::core
