// How a command finds its cluster, and what it says when it was told wrongly.
#include <fstream>
#include <iterator>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/real_binary.hpp"
#include "tests/support/certificates.hpp"

namespace fastptm::integration {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string text_in(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

class Connecting : public testing::Test {
protected:
  static void SetUpTestSuite() {
    shared_ = new cluster(config_text(1));
    const auto up = shared_->up();
    ASSERT_EQ(up.code, 0) << up.err;
  }
  static void TearDownTestSuite() {
    delete shared_;
    shared_ = nullptr;
  }

  static std::filesystem::path state() { return shared_->where().state(); }
  // "gateway", "admin" or "http" of the head.
  static std::string address(std::string_view of) {
    return text_of(*core::parse_json(text_in(state() / "run" / "head.json"), "head.json"), of);
  }
  static ended run_with(std::vector<std::string> environment, std::vector<std::string> arguments) {
    return shared_->where().run_in({{}, {}, std::move(environment)}, std::move(arguments));
  }

  static cluster* shared_;
};
cluster* Connecting::shared_ = nullptr;

TEST_F(Connecting, ElsewhereAnAddressAndATokenAreEnough) {
  const auto tenant = "FASTPTM_TOKEN=" + text_in(state() / "tokens" / "acme");
  EXPECT_EQ(run_with({tenant}, {"models", "--connect", address("gateway")}).code, 0);
  EXPECT_EQ(run_with({tenant, "FASTPTM_CONNECT=" + address("gateway")}, {"models"}).code, 0);
  const auto admin = "FASTPTM_TOKEN=" + text_in(state() / "admin.token");
  EXPECT_EQ(run_with({admin}, {"status", "--connect", address("admin")}).code, 0);
}

TEST_F(Connecting, TheCommandLineCountsMoreThanTheEnvironment) {
  const auto run = run_with({"FASTPTM_CONNECT=127.0.0.1:1"}, {"status", "--state", state().string()});
  EXPECT_EQ(run.code, 0) << run.err;
}

TEST_F(Connecting, WhoAsksAtAnotherPortOfTheClusterIsToldWhichOneIsRight) {
  const auto operate =
      run_with({"FASTPTM_TOKEN=" + text_in(state() / "admin.token")}, {"status", "--connect", address("gateway")});
  EXPECT_EQ(operate.code, 2);
  EXPECT_THAT(operate.err, AllOf(HasSubstr("administration"), HasSubstr("`admin` in run/NODE.json")));
  const auto ask =
      run_with({"FASTPTM_TOKEN=" + text_in(state() / "tokens" / "acme")}, {"models", "--connect", address("admin")});
  EXPECT_EQ(ask.code, 2);
  EXPECT_THAT(ask.err, HasSubstr("`gateway` in run/NODE.json"));
}

TEST_F(Connecting, ATenantOrAnAddressThatCannotBeIsWrongUsageAndNoAnswer) {
  const auto ids = shared_->where().file("ids.json", "[[5]]").string();
  const auto stranger = shared_->run({"embed", "acme/m", "--ids", ids, "--as", "nobody", "--json"});
  EXPECT_EQ(stranger.code, 2);
  EXPECT_EQ(stranger.out, "");
  EXPECT_THAT(stranger.err, HasSubstr("nobody"));
  const auto lost = run_with({"FASTPTM_TOKEN=x"}, {"embed", "acme/m", "--ids", ids, "--connect", "no port", "--json"});
  EXPECT_EQ(lost.code, 2);
  EXPECT_EQ(lost.out, "");
  EXPECT_THAT(lost.err, HasSubstr("--connect: "));
  EXPECT_EQ(shared_->run({"embed", "acme/m", "--ids", ids}).code, 2) << "nobody asks";
}

TEST_F(Connecting, AFileWithoutInputsIsNamed) {
  const auto run = shared_->run({"embed", "acme/m", "--lines", "/dev/null", "--as", "acme"});
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.err, AllOf(HasSubstr("/dev/null"), Not(HasSubstr("use --text"))));
}

class ConnectingWithTls : public testing::Test {
protected:
  ConnectingWithTls() { cluster_.where().file("authority.crt", tests::authority_certificate); }
  void put(const std::string& name, const char* text) const {
    const auto file = cluster_.where().file("state/" + name, text);
    std::filesystem::permissions(file, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  }
  cluster cluster_{config_text(
      1, 8, "  gateway = (address = \"0.0.0.0\", tlsCertificate = \"gateway.crt\", tlsKey = \"gateway.key\"),\n")};
};

TEST_F(ConnectingWithTls, ClientsElsewhereProveWhomTheyReachedAndLocalOnesNeedNothing) {
  const auto without = cluster_.up();
  EXPECT_EQ(without.code, 1) << "it makes the state folder";
  EXPECT_THAT(without.err, HasSubstr("tlsCertificate"));
  put("gateway.crt", tests::localhost_certificate);
  put("gateway.key", tests::localhost_key);
  const auto up = cluster_.up();
  ASSERT_EQ(up.code, 0) << up.err;
  EXPECT_EQ(cluster_.ask({"models"}).code, 0);
  const auto record = core::parse_json(text_in(cluster_.where().state() / "run" / "head.json"), "head.json");
  const auto tls = text_of(*record, "gateway_tls");
  const auto address = "tls://localhost" + tls.substr(tls.rfind(':'));
  const auto token = "FASTPTM_TOKEN_FILE=" + (cluster_.where().state() / "tokens" / "acme").string();
  const auto authority = "FASTPTM_CA=" + (cluster_.where().path() / "authority.crt").string();
  const auto far = cluster_.where().run_in({{}, {}, {token, authority}}, {"models", "--connect", address});
  EXPECT_EQ(far.code, 0) << far.err;
  const auto distrusting = cluster_.where().run_in({{}, {}, {token}}, {"models", "--connect", address});
  EXPECT_EQ(distrusting.code, 1);
  EXPECT_THAT(distrusting.err, HasSubstr("FASTPTM_CA"));
}

} // namespace
} // namespace fastptm::integration
