// A machine that lacks something: one line that names it, exit code 1, nothing left; or it goes on without it.
#include <csignal>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/integration/real_binary.hpp"

namespace fastptm::integration {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr int io_uring_setup = 425;

bool exists(const std::string& program) {
  return std::filesystem::exists("/usr/bin/" + program) || std::filesystem::exists("/bin/" + program);
}

// `up` in surroundings that are too narrow.
void expect_refusal(surroundings around, const std::string& limit, const std::string& config = config_text(1)) {
  cluster c(config, std::move(around));
  const auto up = c.up();
  EXPECT_EQ(up.code, 1) << up.err;
  EXPECT_THAT(up.err, HasSubstr(limit));
  EXPECT_THAT(up.err, Not(HasSubstr("check failed")));
  EXPECT_THAT(up.err, Not(HasSubstr("terminate called")));
  EXPECT_TRUE(c.where().all_gone(5s));
}

void expect_service(surroundings around, const std::string& config = config_text(1)) {
  cluster c(config, std::move(around));
  const auto up = c.up();
  ASSERT_EQ(up.code, 0) << up.err;
  const auto model = c.publish("m", 1);
  EXPECT_THAT(c.embed(model), Not(IsEmpty()));
  const auto down = c.down();
  EXPECT_EQ(down.code, 0) << down.err;
  EXPECT_TRUE(c.where().all_gone(5s));
}

TEST(Limits, WithoutLoopbackTheInterfaceIsNamed) {
  const workspace w({{"unshare", "-n"}, {}, {}});
  if (w.run({"version"}).code != 0) GTEST_SKIP() << "network namespaces cannot be made here: that needs the right to";
  expect_refusal({{"unshare", "-n"}, {}, {}}, "ip link set lo up");
}

class Prlimit : public testing::Test {
protected:
  void SetUp() override {
    if (!exists("prlimit")) GTEST_SKIP() << "no prlimit here";
  }
  static surroundings with(const std::string& limit) { return {{"prlimit", limit}, {}, {}}; }
};

TEST_F(Prlimit, FewOpenFilesAreNamed) {
  expect_refusal(with("--nofile=32:32"), "ulimit -n");
}

TEST_F(Prlimit, ALowSoftLimitOfOpenFilesIsRaised) {
  expect_service(with("--nofile=64:4096"));
}

// The head's log after a start with so many files.
std::string log_with(surroundings around) {
  cluster c(config_text(1), std::move(around));
  const auto up = c.up();
  EXPECT_EQ(up.code, 0) << up.err;
  std::ifstream in(c.where().state() / "logs" / "head.log");
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST_F(Prlimit, FewerFilesThanConnectionsAreNamedInTheLog) {
  const auto few = log_with(with("--nofile=256:256"));
  EXPECT_THAT(few, AllOf(HasSubstr("few-open-files"), HasSubstr("256 may be open")));
  const auto enough = log_with(with("--nofile=1024:4096"));
  EXPECT_THAT(enough, AllOf(HasSubstr("limited to 4096"), Not(HasSubstr("few-open-files"))));
}

TEST_F(Prlimit, LittleAddressSpaceIsNamed) {
  expect_refusal(with("--as=400000000:400000000"), "ulimit -v");
  expect_refusal(with("--as=2000000000:2000000000"), "ulimit -v", config_text(1, 4096));
}

TEST_F(Prlimit, LittleDataAndShortFilesAreNamed) {
  expect_refusal(with("--data=60000000:60000000"), "ulimit -d");
  expect_refusal(with("--fsize=4000000:4000000"), "ulimit -f");
}

TEST_F(Prlimit, AnyAddressSpaceEndsInServiceOrOneLine) {
  for (const int mib : {150, 400, 700, 800, 900, 1000}) { // with less the system cannot load the program
    const auto bytes = std::to_string(mib << 20);
    cluster c(config_text(1), with("--as=" + bytes + ":" + bytes));
    const auto up = c.up();
    EXPECT_THAT(up.code, AnyOf(0, 1)) << mib << " MiB: " << up.err;
    EXPECT_THAT(up.err, Not(HasSubstr("terminate called"))) << mib << " MiB";
    EXPECT_EQ(c.run({"down"}).code, 0);
  }
}

// The superuser is exempt: somebody who runs nothing else.
TEST_F(Prlimit, FewProcessesAreNamed) {
  if (::getuid() != 0 || !exists("setpriv")) GTEST_SKIP() << "needs setpriv and the right to become another user";
  const surroundings nobody{
      {"setpriv", "--reuid=64999", "--regid=64999", "--clear-groups", "prlimit", "--nproc=8:8"}, {}, {}};
  cluster c(config_text(1), nobody);
  std::filesystem::permissions(c.where().path(), std::filesystem::perms::all);
  if (c.run({"version"}).code != 0) GTEST_SKIP() << "the binary cannot be executed by another user";
  const auto up = c.up();
  EXPECT_EQ(up.code, 1) << up.err;
  EXPECT_THAT(up.err, HasSubstr("ulimit -u"));
  EXPECT_TRUE(c.where().all_gone(5s));
}

TEST(Limits, MoreMemoryThanThereIsIsNamed) {
  expect_refusal({}, "arenaMib", config_text(1, 4'000'000));
  auto config = config_text(1);
  const std::string cache = "hostCacheMib = 16";
  expect_refusal({}, "hostCacheMib", config.replace(config.find(cache), cache.size(), "hostCacheMib = 4000000"));
}

TEST(Limits, AllNodesTogetherMustFit) {
  expect_refusal({}, "nodes of this machine", config_text(64, 1'000'000 / 16));
}

TEST(Limits, WithoutIoUringTheDiskIsReadAndTheReportSaysHow) {
  cluster c(config_text(1), {{}, {io_uring_setup}, {}});
  const auto up = c.up();
  ASSERT_EQ(up.code, 0) << up.err;
  const auto model = c.publish("m", 1);
  ASSERT_THAT(c.embed(model), Not(IsEmpty()));
  const auto report = c.ask({"loads", "--last", "1"}).json();
  const auto* sources = report.find("sources");
  ASSERT_NE(sources, nullptr);
  ASSERT_THAT(*sources->array(), Not(IsEmpty()));
  const auto& source = sources->array()->front();
  EXPECT_EQ(text_of(source, "kind"), "disk");
  EXPECT_EQ(text_of(source, "path"), "pread");
}

TEST(Limits, WithoutPidDescriptorsDownStops) {
  expect_service({{}, {SYS_pidfd_open, SYS_pidfd_send_signal}, {}});
}

TEST(Limits, WithoutReadingPeersMemoryWeightsComeAnotherWay) {
  expect_service({{}, {SYS_process_vm_readv, SYS_process_vm_writev}, {}});
}

TEST(Limits, WithoutSharedMemoryFilesTheReasonIsSaid) {
  expect_refusal({{}, {SYS_memfd_create}, {}}, "shared memory");
}

TEST(Limits, ThePlainEnvironmentOfAContainerIsEnough) {
  expect_service({{}, {}, {"HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "USER", "TERM", "LANG"}});
}

TEST(Limits, AStateFolderWithALongPathIsFine) {
  const workspace w;
  const auto config = w.file("c.capnp", config_text(1));
  const auto state = (w.path() / std::string(120, 'a') / std::string(120, 'b')).string();
  const auto up = w.run({"up", config.string(), "--state", state, "--detach"});
  EXPECT_EQ(up.code, 0) << up.err;
  EXPECT_EQ(w.run({"down", "--state", state}).code, 0);
  const auto longest = (w.path() / std::string(300, 'c')).string();
  const auto refused = w.run({"up", config.string(), "--state", longest, "--detach"});
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("name too long"));
}

// A file system of a few MiB, or one that may only be read, in a mount namespace of its own.
class Mounts : public testing::Test {
protected:
  void SetUp() override {
    const workspace w({{"unshare", "-m"}, {}, {}});
    if (w.run({"version"}).code != 0) GTEST_SKIP() << "mount namespaces cannot be made here: that needs the right to";
  }
  // The binary's arguments follow; `$0` is the state folder.
  static surroundings after(const std::string& command, const std::string& state) {
    return {{"unshare", "-m", "sh", "-c", command + R"( && exec "$@")", state}, {}, {}};
  }
};

TEST_F(Mounts, AStateFolderThatCannotBeWrittenIsNamed) {
  const workspace w;
  const auto config = w.file("c.capnp", config_text(1));
  const auto state = w.state().string();
  std::filesystem::create_directory(state);
  const auto up =
      w.run_in(after("mount -t tmpfs -o ro none \"$0\"", state), {"up", config.string(), "--state", state, "--detach"});
  EXPECT_EQ(up.code, 1) << up.err;
  EXPECT_THAT(up.err, AllOf(HasSubstr(state), HasSubstr("Read-only")));
  EXPECT_TRUE(w.all_gone(5s));
}

TEST_F(Mounts, AFullDiskIsNamed) {
  const workspace w;
  const auto config = w.file("c.capnp", config_text(1));
  const auto state = w.state().string();
  std::filesystem::create_directory(state);
  const auto up = w.run_in(after("mount -t tmpfs -o size=16k none \"$0\"", state),
                           {"up", config.string(), "--state", state, "--detach"});
  EXPECT_EQ(up.code, 1) << up.err;
  EXPECT_THAT(up.err, AnyOf(HasSubstr("No space left"), HasSubstr("full")));
  EXPECT_TRUE(w.all_gone(5s));
}

} // namespace
} // namespace fastptm::integration
