// Credentials in state folders: made where the authority is, taken to another machine, refused by their reason.
#include "node/node_credentials.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/temporary_folder.hpp"

namespace fastptm::node {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class NodeCredentials : public testing::Test {
protected:
  static unsigned mode_of(const std::filesystem::path& file) {
    struct stat found {};
    EXPECT_EQ(::stat(file.c_str(), &found), 0) << file;
    return found.st_mode & 0777;
  }
  std::filesystem::path path(const std::string& name) const { return parent_.path() / name; }
  void replace(const state_folder& of, const std::string& node, const control::credentials& by) {
    ASSERT_TRUE(write_file(of.credentials_file(node), by.certificate + by.key, 0600));
  }

  tests::temporary_folder parent_;
  const state_folder first_ = state_folder::create(path("first"), {"acme"}).value();
};

TEST_F(NodeCredentials, AreMadeOnceWhereTheAuthorityIs) {
  const auto made = credentials_of(first_, "head");
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_TRUE(control::check(*made, "head", control::wall_clock_s()));
  for (const auto& file : {first_.authority_file(), first_.authority_key_file(), first_.credentials_file("head")})
    EXPECT_EQ(mode_of(file), 0600u) << file;
  const auto again = credentials_of(first_, "head");
  EXPECT_THAT(again->certificate, HasSubstr(made->certificate));
  ASSERT_TRUE(state_folder::create(path("first"), {"acme"}));
  EXPECT_EQ(credentials_of(first_, "worker-0")->authority, made->authority) << "the authority stays";
}

TEST_F(NodeCredentials, AreMadeAnewWhenTheyDoNotHoldAnyMore) {
  const control::authority ours{read_file(first_.authority_file()).value(),
                                read_file(first_.authority_key_file()).value()};
  replace(first_, "head", control::issue(ours, "head", {1, 1000}).value());
  const auto made = credentials_of(first_, "head");
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_TRUE(control::check(*made, "head", control::wall_clock_s()));
}

TEST_F(NodeCredentials, GoToAnotherMachineWithoutTheAuthoritysKey) {
  const auto out = path("for-worker");
  ASSERT_TRUE(write_credentials(first_, "worker-b", out));
  ASSERT_TRUE(write_credentials(first_, "worker-c", out)) << "a second node of that machine";
  EXPECT_EQ(mode_of(out), 0700u);
  EXPECT_EQ(mode_of(out / "cluster.secret"), 0600u);
  EXPECT_EQ(mode_of(out / "credentials" / "worker-b.pem"), 0600u);
  EXPECT_FALSE(std::filesystem::exists(out / "authority.key"));
  const auto second = state_folder::create(out, {"acme"});
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(*second->cluster_secret(), *first_.cluster_secret());
  for (const auto* node : {"worker-b", "worker-c"}) {
    const auto found = credentials_of(*second, node);
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(found->authority, credentials_of(first_, "head")->authority);
  }
  const auto other = credentials_of(*second, "worker-d");
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().message, AllOf(HasSubstr("worker-d.pem is missing"),
                                           HasSubstr("node-credentials CONFIG worker-d"), Not(HasSubstr("PRIVATE"))));
  EXPECT_FALSE(write_credentials(*second, "worker-d", path("more"))) << "who has no authority makes no nodes";
}

TEST_F(NodeCredentials, AreNotWrittenIntoAnotherFolder) {
  std::filesystem::create_directory(path("mine"));
  ASSERT_TRUE(write_file(path("mine") / "thesis.txt", "precious", 0600));
  EXPECT_THAT(write_credentials(first_, "worker-b", path("mine")).error().message, HasSubstr("use an empty folder"));
  EXPECT_FALSE(std::filesystem::exists(path("mine") / "cluster.secret"));
  EXPECT_FALSE(write_credentials(first_, "worker-b", path("first"))) << "the cluster's own";
  ASSERT_TRUE(state_folder::create(path("other"), {}));
  EXPECT_FALSE(write_credentials(first_, "worker-b", path("other"))) << "another cluster's";
}

TEST_F(NodeCredentials, SayWhatIsWrongAndWhereOthersComeFrom) {
  ASSERT_TRUE(write_credentials(first_, "worker-b", path("second")));
  const auto second = state_folder::create(path("second"), {}).value();
  const auto fault = [&] { return credentials_of(second, "worker-b").error().message; };
  const auto others = control::make_authority(control::ten_years_from(control::wall_clock_s()));
  replace(second, "worker-b",
          control::issue(others, "worker-b", control::ten_years_from(control::wall_clock_s())).value());
  EXPECT_THAT(fault(), AllOf(HasSubstr("does not hold"), HasSubstr("fastptm node-credentials")));
  ASSERT_TRUE(write_file(second.credentials_file("worker-b"), "", 0600));
  EXPECT_THAT(fault(), HasSubstr("damaged"));
  ASSERT_TRUE(write_file(second.credentials_file("worker-b"), "x", 0644));
  EXPECT_THAT(fault(), HasSubstr("chmod 600"));
}

} // namespace
} // namespace fastptm::node
