// The token files of tenants: what each change leaves, and which are good then.
#include "node/tenant_tokens.hpp"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/temporary_folder.hpp"

namespace fastptm::node {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class TenantTokens : public testing::Test {
protected:
  state_folder folder() const { return *state_folder::create(path_.path() / "state", {"acme", "globex"}); }
  tenant_tokens files() const { return tenant_tokens(folder()); }

  // Of acme, those that are good.
  std::vector<std::string> good() const {
    const auto all = files().good_ones({"acme"});
    EXPECT_TRUE(all) << all.error().message;
    std::vector<std::string> out;
    for (const auto& each : *all) out.push_back(each.secret);
    return out;
  }
  std::string token() const { return *folder().tenant_token("acme"); }

  const tests::temporary_folder path_;
};

TEST_F(TenantTokens, AreThoseThatUpHasMade) {
  EXPECT_THAT(good(), ElementsAre(token()));
  EXPECT_EQ(files().good_ones({"acme", "globex"})->size(), 2u);
}

TEST_F(TenantTokens, ARotationLeavesOneToken) {
  const auto old = token();
  ASSERT_TRUE(files().rotate("acme", 0));
  EXPECT_NE(token(), old);
  EXPECT_THAT(good(), ElementsAre(token()));
}

TEST_F(TenantTokens, AnOldOneIsGoodForTheTimeThatWasSaid) {
  const auto old = token();
  ASSERT_TRUE(files().rotate("acme", 3'600'000'000));
  EXPECT_THAT(good(), ElementsAre(token(), old));
  const auto all = files().good_ones({"acme"});
  EXPECT_FALSE((*all)[0].left_us);
  EXPECT_GT(*(*all)[1].left_us, 3'500'000'000);
  EXPECT_LE(*(*all)[1].left_us, 3'601'000'000);
  ASSERT_TRUE(files().rotate("acme", 0));
  EXPECT_THAT(good(), ElementsAre(token())) << "the second rotation ends the first one's";
}

TEST_F(TenantTokens, AnOldOneWhoseTimeIsOverOrCannotBeReadIsNotGood) {
  for (const auto* until : {" 1000000000", "", " soon", " -1"}) {
    const auto file = folder().tokens() / "acme.old";
    std::ofstream(file) << std::string(64, 'a') << until << "\n";
    ASSERT_EQ(::chmod(file.c_str(), 0600), 0);
    EXPECT_THAT(good(), ElementsAre(token())) << until;
  }
}

TEST_F(TenantTokens, OnlyTheirOwnerReadsThem) {
  ASSERT_TRUE(files().rotate("acme", 3'600'000'000));
  for (const auto* name : {"acme", "acme.old"}) {
    struct stat found {};
    ASSERT_EQ(::stat((folder().tokens() / name).c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777, 0600u) << name;
  }
}

TEST_F(TenantTokens, ARevocationLeavesNoneWhateverIsStarted) {
  ASSERT_TRUE(files().rotate("acme", 3'600'000'000));
  ASSERT_TRUE(files().revoke("acme"));
  EXPECT_THAT(good(), IsEmpty()); // folder() does what `up` does
  EXPECT_EQ(folder().tenant_token("acme").error().code, core::errc::permission_denied);
  EXPECT_EQ(files().rotate("acme", 0).error().code, core::errc::not_found);
  ASSERT_TRUE(files().add("acme"));
  EXPECT_THAT(good(), ElementsAre(token()));
}

TEST_F(TenantTokens, AreAddedOnlyWhereThereIsNone) {
  EXPECT_EQ(files().add("acme").error().code, core::errc::already_exists);
}

TEST_F(TenantTokens, OfWhoIsNoTenantAreNotMade) {
  ASSERT_TRUE(files().revoke("globex"));
  for (const auto* name : {"initech", "", ".", "..", "../admin.token", "globex.revoked", "acme.old"}) {
    EXPECT_EQ(files().add(name).error().code, core::errc::not_found) << name;
    EXPECT_EQ(files().rotate(name, 0).error().code, core::errc::not_found) << name;
    EXPECT_EQ(files().revoke(name).error().code, core::errc::not_found) << name;
  }
}

} // namespace
} // namespace fastptm::node
