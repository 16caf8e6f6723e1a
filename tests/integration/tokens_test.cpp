// `fastptm token`: who may come in changes while the cluster runs, and stays so when it starts again.
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/real_binary.hpp"

namespace fastptm::integration {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string text_in(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::string out;
  in >> out;
  return out;
}

class TokenCommands : public testing::Test {
protected:
  void start() const {
    const auto up = cluster_.up();
    ASSERT_EQ(up.code, 0) << up.err;
  }

  std::filesystem::path file() const { return cluster_.where().state() / "tokens" / "acme"; }

  ended change(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "token");
    return cluster_.run(arguments);
  }
  // Whether the head lets in who has that token.
  bool is_good(const std::string& token) const {
    return cluster_.where().run_in({{}, {}, {"FASTPTM_TOKEN=" + token}}, with_state({"models"})).code == 0;
  }
  std::vector<std::string> with_state(std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"--state", cluster_.where().state().string()});
    return arguments;
  }

  mutable cluster cluster_{config_text(1)};
};

TEST_F(TokenCommands, ARotatedTokenTakesThePlaceOfTheOldOneAtOnce) {
  start();
  const auto old = text_in(file());
  const auto done = change({"rotate", "acme", "--json"});
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(text_of(done.json(), "file"), file().string());
  const auto fresh = text_in(file());
  EXPECT_NE(fresh, old);
  EXPECT_EQ(std::filesystem::status(file()).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  EXPECT_FALSE(is_good(old));
  EXPECT_TRUE(is_good(fresh));
}

TEST_F(TokenCommands, AnOldTokenMayStayGoodForAWhileOverARestartToo) {
  start();
  const auto old = text_in(file());
  ASSERT_EQ(change({"rotate", "acme", "--keep-old-for", "1h"}).code, 0);
  EXPECT_TRUE(is_good(old));
  ASSERT_EQ(cluster_.down().code, 0);
  start();
  EXPECT_TRUE(is_good(old));
  EXPECT_TRUE(is_good(text_in(file())));
  ASSERT_EQ(change({"rotate", "acme"}).code, 0);
  EXPECT_FALSE(is_good(old));
}

TEST_F(TokenCommands, ARevokedTenantStaysOutUntilATokenIsAdded) {
  start();
  const auto old = text_in(file());
  ASSERT_EQ(change({"revoke", "acme"}).code, 0);
  EXPECT_FALSE(is_good(old));
  const auto asked = cluster_.run({"models", "--as", "acme"});
  EXPECT_EQ(asked.code, 1);
  EXPECT_THAT(asked.err, AllOf(HasSubstr("revoked"), HasSubstr("fastptm token add")));
  ASSERT_EQ(cluster_.down().code, 0);
  start();
  EXPECT_FALSE(std::filesystem::exists(file()));
  EXPECT_FALSE(is_good(old));
  ASSERT_EQ(change({"add", "acme"}).code, 0);
  EXPECT_TRUE(is_good(text_in(file())));
  EXPECT_FALSE(is_good(old));
}

TEST_F(TokenCommands, WithoutARunningClusterTheFilesAreChanged) {
  start();
  const auto old = text_in(file());
  ASSERT_EQ(cluster_.down().code, 0);
  const auto done = change({"rotate", "acme"});
  ASSERT_EQ(done.code, 0) << done.err;
  start();
  EXPECT_FALSE(is_good(old));
  EXPECT_TRUE(is_good(text_in(file())));
}

TEST_F(TokenCommands, WhatCannotBeIsSaidInOneLine) {
  start();
  const auto stranger = change({"rotate", "initech"});
  EXPECT_EQ(stranger.code, 1);
  EXPECT_THAT(stranger.err, AllOf(HasSubstr("initech"), HasSubstr("there are acme, globex")));
  const auto twice = change({"add", "acme"});
  EXPECT_EQ(twice.code, 1);
  EXPECT_THAT(twice.err, HasSubstr("fastptm token rotate acme"));
  EXPECT_EQ(change({"rotate", "acme", "--keep-old-for", "soon"}).code, 2);
  EXPECT_EQ(change({"rotate"}).code, 2);
  ASSERT_EQ(change({"revoke", "acme"}).code, 0);
  EXPECT_THAT(change({"rotate", "acme"}).err, HasSubstr("fastptm token add acme"));
  EXPECT_EQ(change({"revoke", "acme"}).code, 0) << "twice is as good as once";
  ASSERT_EQ(cluster_.down().code, 0);
  EXPECT_THAT(change({"add", "../acme"}).err, HasSubstr("not in this cluster"));
  EXPECT_THAT(change({"add", "acme.revoked"}).err, HasSubstr("not in this cluster"));
}

} // namespace
} // namespace fastptm::integration
