// What the authority makes is read back and checked; what is not of it is refused by its reason.
#include "control/certificates.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fastptm::control {
namespace {

using testing::HasSubstr;

constexpr int64_t day_s = 24 * 60 * 60;
constexpr int64_t now_s = 1'800'000'000;

class Certificates : public testing::Test {
protected:
  static std::string fault(const credentials& of, std::string_view node, int64_t at_s = now_s) {
    const auto good = check(of, node, at_s);
    return good ? "none" : good.error().message;
  }

  const authority ours_ = make_authority(ten_years_from(now_s));
  const credentials node_ = issue(ours_, "worker-0", ten_years_from(now_s)).value();
};

TEST_F(Certificates, OfANodeHoldForTenYears) {
  EXPECT_EQ(fault(node_, "worker-0"), "none");
  EXPECT_EQ(fault(node_, "worker-0", now_s + 3650 * day_s), "none");
  EXPECT_THAT(fault(node_, "worker-0", now_s + 3653 * day_s), HasSubstr("expired"));
}

TEST_F(Certificates, HoldWhereTheClockIsADayBehind) {
  EXPECT_EQ(fault(node_, "worker-0", now_s - day_s + 60), "none");
  EXPECT_THAT(fault(node_, "worker-0", now_s - 2 * day_s), HasSubstr("not yet valid"));
}

TEST_F(Certificates, AreOfOneNode) {
  EXPECT_THAT(fault(node_, "worker-1"), HasSubstr("that of node 'worker-0'"));
}

TEST_F(Certificates, OfAnotherClusterDoNotHold) {
  auto mixed = issue(make_authority(ten_years_from(now_s)), "worker-0", ten_years_from(now_s)).value();
  EXPECT_EQ(fault(mixed, "worker-0"), "none");
  mixed.authority = ours_.certificate;
  EXPECT_THAT(fault(mixed, "worker-0"), HasSubstr("does not hold"));
}

TEST_F(Certificates, NeedTheirOwnKey) {
  auto mixed = node_;
  mixed.key = issue(ours_, "worker-0", ten_years_from(now_s)).value().key;
  EXPECT_THAT(fault(mixed, "worker-0"), HasSubstr("key does not belong"));
}

TEST_F(Certificates, OfANodeSignNoOthers) {
  const authority pretended{node_.certificate, node_.key};
  auto forged = issue(pretended, "head", ten_years_from(now_s)).value();
  EXPECT_NE(fault(forged, "head"), "none") << "a node's certificate as an authority's";
  forged.authority = ours_.certificate;
  EXPECT_NE(fault(forged, "head"), "none");
}

TEST_F(Certificates, OfTheAuthorityAreNoNodes) {
  EXPECT_THAT(fault({ours_.certificate, ours_.certificate, ours_.key}, "worker-0"), HasSubstr("node ''"));
}

TEST_F(Certificates, ThatAreDamagedAreRefused) {
  for (const auto* damaged : {"", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "\0\1\2"}) {
    EXPECT_THAT(fault({damaged, node_.certificate, node_.key}, "worker-0"), HasSubstr("damaged"));
    EXPECT_THAT(fault({ours_.certificate, damaged, node_.key}, "worker-0"), HasSubstr("damaged"));
    EXPECT_THAT(fault({ours_.certificate, node_.certificate, damaged}, "worker-0"), HasSubstr("damaged"));
  }
  EXPECT_FALSE(issue({ours_.certificate, "none"}, "worker-0", ten_years_from(now_s)));
}

TEST_F(Certificates, AreIssuedByAKeyThatBelongsToTheAuthority) {
  const auto other = make_authority(ten_years_from(now_s));
  const auto issued = issue({ours_.certificate, other.key}, "worker-0", ten_years_from(now_s));
  ASSERT_FALSE(issued);
  EXPECT_THAT(issued.error().message, HasSubstr("does not belong"));
}

} // namespace
} // namespace fastptm::control
