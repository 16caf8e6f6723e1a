// The state folder: what is made, what is refused, who holds the lock.
#include "node/state_folder.hpp"

#include <csignal>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/node_record.hpp"

namespace fastptm::node {
namespace {

using testing::HasSubstr;

class StateFolder : public testing::Test {
protected:
  StateFolder() {
    char name[] = "/tmp/fastptm-state-XXXXXX";
    parent_ = ::mkdtemp(name);
  }
  ~StateFolder() override { std::filesystem::remove_all(parent_); }

  std::filesystem::path path() const { return parent_ / "state"; }

  static unsigned mode_of(const std::filesystem::path& file) {
    struct stat found {};
    EXPECT_EQ(::stat(file.c_str(), &found), 0) << file;
    return found.st_mode & 0777;
  }

  std::filesystem::path parent_;
};

TEST_F(StateFolder, MakesSecretsThatOnlyTheirOwnerReads) {
  const auto folder = state_folder::create(path(), {"acme"});
  ASSERT_TRUE(folder) << folder.error().message;
  EXPECT_EQ(mode_of(path()), 0700u);
  for (const auto* file : {"cluster.secret", "admin.token", "tokens/acme"})
    EXPECT_EQ(mode_of(path() / file), 0600u) << file;
  EXPECT_EQ(folder->tenant_token("acme")->size(), 64u);
  EXPECT_NE(*folder->tenant_token("acme"), *folder->admin_token());
}

TEST_F(StateFolder, KeepsItsSecretsWhenCreatedAgain) {
  const auto first = state_folder::create(path(), {"acme"});
  const auto second = state_folder::create(path(), {"acme", "globex"});
  ASSERT_TRUE(first && second);
  EXPECT_EQ(*first->tenant_token("acme"), *second->tenant_token("acme"));
  EXPECT_TRUE(second->tenant_token("globex"));
}

TEST_F(StateFolder, RefusesATokenThatOthersMayRead) {
  const auto folder = state_folder::create(path(), {"acme"});
  ASSERT_EQ(::chmod((path() / "tokens/acme").c_str(), 0644), 0);
  EXPECT_EQ(folder->tenant_token("acme").error().code, core::errc::permission_denied);
}

TEST_F(StateFolder, RefusesAFolderOfAnotherVersion) {
  ASSERT_TRUE(state_folder::create(path(), {}));
  ASSERT_TRUE(write_file(path() / "version", "fastptm-state 99\n", 0600));
  const auto again = state_folder::create(path(), {});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, core::errc::version_mismatch);
}

TEST_F(StateFolder, RefusesAFolderWithOtherFiles) {
  std::filesystem::create_directory(path());
  std::ofstream(path() / "thesis.txt") << "precious";
  const auto folder = state_folder::create(path(), {});
  ASSERT_FALSE(folder);
  EXPECT_THAT(folder.error().message, HasSubstr("thesis.txt"));
}

TEST_F(StateFolder, TakesASecretThatWasPutThereBefore) {
  std::filesystem::create_directory(path());
  ASSERT_TRUE(write_file(path() / "cluster.secret", "shared between hosts\n", 0600));
  const auto folder = state_folder::create(path(), {});
  ASSERT_TRUE(folder) << folder.error().message;
  EXPECT_EQ(*folder->cluster_secret(), "shared between hosts");
  for (const auto* too_short : {"", "\n", "short\n"}) {
    ASSERT_TRUE(write_file(path() / "cluster.secret", too_short, 0600));
    EXPECT_EQ(folder->cluster_secret().error().code, core::errc::invalid) << "a file that a full disk has left empty";
  }
}

TEST_F(StateFolder, SaysWhatToDoWhenThereIsNone) {
  const auto folder = state_folder::open(path());
  ASSERT_FALSE(folder);
  EXPECT_EQ(folder.error().code, core::errc::not_found);
  EXPECT_THAT(folder.error().message, HasSubstr("fastptm up"));
}

TEST_F(StateFolder, KnowsNoTenantOutsideOfItsFolder) {
  const auto folder = state_folder::create(path(), {"acme"});
  EXPECT_FALSE(folder->tenant_token("../admin.token"));
  EXPECT_FALSE(folder->tenant_token("nobody"));
}

// Another process that takes the lock and holds it until its end.
class lock_holder {
public:
  explicit lock_holder(const std::filesystem::path& file) {
    int ready[2];
    EXPECT_EQ(::pipe(ready), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      const auto lock = file_lock::take(file);
      if (lock) lock->own();
      [[maybe_unused]] const auto told = ::write(ready[1], lock ? "y" : "n", 1);
      ::pause();
      ::_exit(0);
    }
    char held = 'n';
    EXPECT_EQ(::read(ready[0], &held, 1), 1);
    EXPECT_EQ(held, 'y');
    ::close(ready[0]);
    ::close(ready[1]);
  }
  ~lock_holder() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }

private:
  pid_t pid_ = -1;
};

TEST_F(StateFolder, LockHasOneHolderAndNamesIt) {
  ASSERT_TRUE(state_folder::create(path(), {}));
  const auto file = path() / "lock";
  EXPECT_FALSE(file_lock::holder(file));
  {
    const lock_holder other(file);
    EXPECT_EQ(file_lock::holder(file), other.pid());
    EXPECT_EQ(file_lock::take(file).error().code, core::errc::already_exists);
  }
  EXPECT_FALSE(file_lock::holder(file));
}

TEST_F(StateFolder, TheHolderIsNotWhoAnEarlierLifeWroteDown) {
  ASSERT_TRUE(state_folder::create(path(), {}));
  const auto file = path() / "lock";
  ASSERT_TRUE(write_file(file, std::to_string(::getpid()) + "\n", 0600));
  EXPECT_FALSE(file_lock::holder(file)); // free, whatever it says
  const auto lock = file_lock::take(file);
  ASSERT_TRUE(lock);
  EXPECT_EQ(file_lock::holder(file), 0); // held, and not owned yet
}

TEST_F(StateFolder, FindsTheHeadByItsRecord) {
  const auto folder = state_folder::create(path(), {});
  ASSERT_TRUE(write_record(folder->run(), {"w0", 7, {"worker"}, "", "", "", ""}));
  EXPECT_FALSE(find_head(folder->run()));
  ASSERT_TRUE(write_record(folder->run(), {"head", 8, {"head", "store"}, "127.0.0.1:1", "127.0.0.1:2", "", ""}));
  const auto head = find_head(folder->run());
  ASSERT_TRUE(head);
  EXPECT_EQ(head->name, "head");
  EXPECT_EQ(head->pid, 8);
  EXPECT_EQ(head->gateway, "127.0.0.1:2");
}

} // namespace
} // namespace fastptm::node
