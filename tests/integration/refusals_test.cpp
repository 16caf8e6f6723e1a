// What is refused, and that the reason is said in one line: with real processes.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/integration/real_binary.hpp"
#include "weights/import/synthetic.hpp"

namespace fastptm::integration {
namespace {

using testing::HasSubstr;
using testing::Not;

// A port of the loopback interface that something else listens on.
class taken_port {
public:
  taken_port() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(socket_, 1), 0);
    ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
    number_ = ntohs(address.sin_port);
  }
  ~taken_port() { ::close(socket_); }
  std::string text() const { return std::to_string(number_); }

private:
  int socket_;
  uint16_t number_ = 0;
};

void expect_one_line(const ended& run, const std::string& reason) {
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.err, HasSubstr(reason));
  EXPECT_THAT(run.err, Not(HasSubstr("\x1b")));
}

TEST(Refusals, UpNamesAGatewayPortThatIsInUse) {
  const taken_port port;
  cluster c(config_text(1, 8, "  gateway = (port = " + port.text() + "),\n"));
  expect_one_line(c.up(), port.text());
  EXPECT_TRUE(c.where().all_gone(5s));
}

TEST(Refusals, UpNamesAControlPortThatIsInUse) {
  const taken_port port;
  cluster c(config_text(1, 8, "", ", controlPort = " + port.text()));
  expect_one_line(c.up(), port.text());
  EXPECT_TRUE(c.where().all_gone(5s));
}

TEST(Refusals, UpNamesAStateFolderThatCannotBeMade) {
  const workspace w;
  const auto config = w.file("c.capnp", config_text(1));
  expect_one_line(w.run({"up", config.string(), "--state", "/dev/null/state", "--detach"}), "/dev/null");
}

TEST(Refusals, UpRefusesAStateFolderOfAnotherVersion) {
  cluster c(config_text(1));
  ASSERT_EQ(c.up().code, 0);
  ASSERT_EQ(c.down().code, 0);
  c.where().file("state/version", "fastptm-state 99\n");
  expect_one_line(c.up(), "fastptm-state 99");
}

TEST(Refusals, CheckNamesFileAndLine) {
  const workspace w;
  const auto config = w.file("c.capnp", config_text(1, 8, "  gatway = (),\n"));
  const auto checked = w.run({"check", config.string()});
  EXPECT_EQ(checked.code, 1);
  EXPECT_THAT(checked.err, HasSubstr("c.capnp:9: "));
  EXPECT_THAT(checked.err, HasSubstr("gatway"));
}

TEST(Refusals, WrongUsageExitsWithTwo) {
  const workspace w;
  EXPECT_EQ(w.run({"embed"}).code, 2);
  EXPECT_EQ(w.run({"nonsense"}).code, 2);
  EXPECT_EQ(w.run({"up", "--nonsense"}).code, 2);
  EXPECT_EQ(w.run({"--help"}).code, 0);
}

TEST(Refusals, AModelLargerThanEveryArenaIsNotPublished) {
  cluster c(config_text(1, 1));
  ASSERT_EQ(c.up().code, 0);
  const weights::synthetic_shape shape{64, 6, 4, 256, 1024, 64, 0}; // about 1.5 MB of weights
  const auto folder = c.where().path() / "large";
  ASSERT_TRUE(weights::write_synthetic_model(folder, shape, 1));
  expect_one_line(c.ask({"publish", folder.string(), "--model", "large"}), "arena");
}

TEST(Refusals, UpRefusesACatalogueThatNoArenaCanServe) {
  cluster c(config_text(1, 8));
  ASSERT_EQ(c.up().code, 0);
  const weights::synthetic_shape shape{64, 6, 4, 256, 1024, 64, 0};
  const auto folder = c.where().path() / "large";
  ASSERT_TRUE(weights::write_synthetic_model(folder, shape, 1));
  ASSERT_EQ(c.ask({"publish", folder.string(), "--model", "large"}).code, 0);
  ASSERT_EQ(c.down().code, 0);
  c.where().file("cluster.capnp", config_text(1, 1));
  const auto up = c.up();
  expect_one_line(up, "acme/large@1");
  EXPECT_THAT(up.err, HasSubstr("arenaMib"));
}

// A state folder beside that of a running cluster, whose nodes find its head.
class second_machine {
public:
  explicit second_machine(const cluster& of) : of_(of) {}

  std::filesystem::path state() const { return where_.path() / "state"; }
  void take_credentials() const {
    const auto made = of_.run({"node-credentials", of_.config_file().string(), "worker-0", "--out", state().string()});
    ASSERT_EQ(made.code, 0) << made.err;
  }
  ended start() const {
    std::filesystem::create_directories(state() / "run");
    std::filesystem::copy_file(of_.where().state() / "run" / "head.json", state() / "run" / "head.json");
    return where_.run({"node", of_.config_file().string(), "--name", "worker-0", "--state", state().string()});
  }
  const workspace& where() const { return where_; }

private:
  const cluster& of_;
  const workspace where_;
};

TEST(Refusals, ANodeWithAnotherSecretDoesNotJoin) {
  cluster c(config_text(1));
  ASSERT_EQ(c.up().code, 0);
  const second_machine second(c);
  second.take_credentials();
  const auto secret = second.where().file("state/cluster.secret", "not the cluster's\n");
  std::filesystem::permissions(secret, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  expect_one_line(second.start(), "secret");
  EXPECT_EQ(c.state_of("worker-0"), "ready");
}

TEST(Refusals, ANodeOfAnotherClusterDoesNotJoin) {
  cluster c(config_text(1)), other(config_text(1));
  ASSERT_EQ(c.up().code, 0);
  const second_machine second(c);
  const auto made =
      other.run({"node-credentials", other.config_file().string(), "worker-0", "--out", second.state().string()});
  ASSERT_EQ(made.code, 0) << made.err;
  std::filesystem::copy_file(c.where().state() / "cluster.secret", second.state() / "cluster.secret",
                             std::filesystem::copy_options::overwrite_existing);
  const auto node = second.start();
  expect_one_line(node, "not of this cluster");
  EXPECT_THAT(node.err, HasSubstr("node-credentials"));
  EXPECT_EQ(c.state_of("worker-0"), "ready");
}

TEST(Refusals, ANodeWithoutCredentialsIsToldWhereTheyComeFrom) {
  cluster c(config_text(1));
  ASSERT_EQ(c.up().code, 0);
  const second_machine second(c);
  second.take_credentials();
  std::filesystem::remove(second.state() / "credentials" / "worker-0.pem");
  const auto node = second.start();
  expect_one_line(node, "worker-0.pem is missing");
  EXPECT_THAT(node.err, HasSubstr("fastptm node-credentials CONFIG worker-0"));
}

TEST(Refusals, CredentialsAreForNodesOfTheConfigurationAndForFoldersOfTheirOwn) {
  cluster c(config_text(1));
  const auto ask = [&](const std::string& node, const std::filesystem::path& out) {
    return c.run({"node-credentials", c.config_file().string(), node, "--out", out.string()});
  };
  expect_one_line(ask("worker-9", c.where().path() / "out"), "no node 'worker-9'");
  c.where().file("thesis.txt", "precious");
  expect_one_line(ask("worker-0", c.where().path()), "empty folder");
}

// -- requests ---------------------------------------------------------------------------------------------------------

class Requests : public testing::Test {
protected:
  static void SetUpTestSuite() {
    shared_ = new cluster(config_text(1));
    const auto up = shared_->up();
    ASSERT_EQ(up.code, 0) << up.err;
    model_ = shared_->publish("m", 1);
  }
  static void TearDownTestSuite() {
    delete shared_;
    shared_ = nullptr;
  }

  // The status and error of one input.
  static std::pair<std::string, std::string> ask(const std::string& model, const std::string& ids) {
    const auto file = shared_->where().file("wrong.json", ids);
    const auto done = shared_->ask({"embed", model, "--ids", file.string()});
    EXPECT_EQ(done.code, 1);
    const auto row = done.json();
    return {text_of(row, "status"), text_of(row, "error")};
  }

  static cluster* shared_;
  static std::string model_;
};
cluster* Requests::shared_ = nullptr;
std::string Requests::model_;

TEST_F(Requests, AnUnknownModelIsNotFound) {
  EXPECT_EQ(ask("acme/nothing@1", "[[5]]").first, "not_found");
}

TEST_F(Requests, AnotherTenantsModelIsDenied) {
  EXPECT_EQ(ask("globex/m@1", "[[5]]").first, "permission_denied");
}

TEST_F(Requests, AnEmptyInputIsInvalid) {
  const auto [status, error] = ask(model_, "[[]]");
  EXPECT_EQ(status, "invalid");
  EXPECT_THAT(error, HasSubstr("no tokens"));
}

TEST_F(Requests, ATooLongInputIsInvalidAndNamesTheBound) {
  std::string ids = "[[5";
  for (int i = 0; i < 64; ++i) ids += ",5";
  const auto [status, error] = ask(model_, ids + "]]");
  EXPECT_EQ(status, "invalid");
  EXPECT_THAT(error, AllOf(HasSubstr("65"), HasSubstr("64")));
}

TEST_F(Requests, AnIdOutsideOfTheVocabularyIsInvalidAndNamed) {
  const auto [status, error] = ask(model_, "[[5, 256]]");
  EXPECT_EQ(status, "invalid");
  EXPECT_THAT(error, HasSubstr("256"));
  EXPECT_EQ(ask(model_, "[[-1]]").first, "invalid");
}

TEST_F(Requests, AnEmptyTextIsAText) {
  const auto done = shared_->ask({"embed", model_, "--text", ""});
  EXPECT_EQ(text_of(done.json(), "status"), "ok") << done.err;
}

TEST_F(Requests, OneWrongInputDoesNotHarmItsNeighbours) {
  const auto file = shared_->where().file("mixed.json", "[[5,6],[],[7]]");
  const auto rows = shared_->ask({"embed", model_, "--ids", file.string(), "--deadline", "10s"}).json_lines();
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(text_of(rows[0], "status"), "ok");
  EXPECT_EQ(text_of(rows[1], "status"), "invalid");
  EXPECT_EQ(text_of(rows[2], "status"), "ok");
}

TEST_F(Requests, ClassifyingWithAnEmbeddingModelIsInvalid) {
  const auto done = shared_->ask({"classify", model_, "--text", "a"});
  EXPECT_EQ(text_of(done.json(), "status"), "invalid");
}

TEST_F(Requests, AnUnknownTokenIsDenied) {
  const auto token = shared_->where().state() / "tokens" / "intruder";
  shared_->where().file("state/tokens/intruder", std::string(64, '0') + "\n");
  std::filesystem::permissions(token, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  const auto done = shared_->run({"models", "--as", "intruder", "--json"});
  EXPECT_EQ(done.code, 1);
  EXPECT_THAT(done.err, HasSubstr("token"));
}

TEST_F(Requests, AnUnknownTenantIsNamed) {
  const auto done = shared_->run({"models", "--as", "nobody", "--json"});
  EXPECT_EQ(done.code, 2);
  EXPECT_THAT(done.err, HasSubstr("nobody"));
}

TEST_F(Requests, PathsOutOfTheTokenFolderAreNoTenants) {
  EXPECT_EQ(shared_->run({"models", "--as", "../admin.token", "--json"}).code, 2);
}

TEST(Quota, WhoMeetsItWaitsAndWhoMeasuresIsTold) {
  auto text = config_text(1);
  const std::string from = "(name = \"acme\")";
  text.replace(text.find(from), from.size(), "(name = \"acme\", maxInFlight = 2)");
  cluster c(text);
  ASSERT_EQ(c.up().code, 0);
  const auto model = c.publish("m", 1);
  std::string ids = "[", trace = "[";
  for (int i = 0; i < 200; ++i) ids += i == 0 ? "[5,6,7]" : ",[5,6,7]";
  // All at once, and far more than the fastest device answers while they come in.
  for (int i = 0; i < 4000; ++i) trace += i == 0 ? "[\"A\",0.0]" : ",[\"A\",0.0]";
  const auto file = c.where().file("many.json", ids + "]");
  const auto rows = c.ask({"embed", model, "--ids", file.string(), "--deadline", "30s"}).json_lines();
  ASSERT_EQ(rows.size(), 200u);
  for (const auto& row : rows) EXPECT_EQ(text_of(row, "status"), "ok") << text_of(row, "error");

  const auto models = c.where().file("models.json", "[\"" + model + "\"]");
  const auto played =
      c.ask({"play", c.where().file("trace.json", trace + "]").string(), "--models", models.string()}).json();
  const auto* statuses = played.find("statuses");
  ASSERT_NE(statuses, nullptr);
  ASSERT_NE(statuses->find("quota_exceeded"), nullptr) << "an open loop does not hide refusals";
  EXPECT_EQ(played.find("repeated")->unsigned_integer(), 0u);
  EXPECT_EQ(played.find("unanswered")->unsigned_integer(), 0u);
}

} // namespace
} // namespace fastptm::integration
