// Clients that lose their head, and heads that lose their clients: with real processes.
#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/real_binary.hpp"

namespace fastptm::integration {
namespace {

std::filesystem::path many_ids(const cluster& of, int count) {
  std::string ids = "[";
  for (int i = 0; i < count; ++i) ids += (i == 0 ? "[5,6," : ",[5,6,") + std::to_string(i % 200) + "]";
  return of.where().file("many.json", ids + "]");
}

std::unique_ptr<running> start_embed(const cluster& of, const std::string& model, const std::filesystem::path& ids,
                                     const std::string& deadline) {
  return of.where().start({"embed", model, "--ids", ids.string(), "--deadline", deadline, "--as", "acme", "--json",
                           "--state", of.where().state().string()});
}

uint64_t queued(const cluster& of) {
  const auto status = of.status();
  uint64_t sum = 0;
  for (const auto& model : *status.find("models")->array())
    sum += model.find("queued")->unsigned_integer().value_or(0) + model.find("late")->unsigned_integer().value_or(0);
  return sum;
}

TEST(Clients, LoseNothingWhenTheHeadIsKilledUnderThem) {
  cluster c(config_text(2));
  ASSERT_EQ(c.up().code, 0);
  const auto model = c.publish("m", 1);
  ASSERT_FALSE(c.embed(model).empty());
  auto asking = start_embed(c, model, many_ids(c, 3000), "20s");
  const auto head = static_cast<pid_t>(c.pid_of("head"));
  ::kill(head, SIGKILL);
  const auto asked = asking->wait(60s);
  ASSERT_TRUE(asked.has_value());
  EXPECT_EQ(asked->code, 0) << asked->err;
  const auto rows = asked->json_lines();
  EXPECT_EQ(rows.size(), 3000u);
  for (const auto& row : rows) ASSERT_EQ(text_of(row, "status"), "ok") << text_of(row, "error");
}

TEST(Clients, WaitUntilTheirDeadlineForAHeadThatComesBack) {
  cluster c(config_text(1));
  ASSERT_EQ(c.up().code, 0);
  const auto model = c.publish("m", 1);
  const auto head = static_cast<pid_t>(c.pid_of("head"));
  ::kill(head, SIGKILL);
  const auto ids = c.where().file("one.json", "[[5,6,7]]");
  const auto asked = c.ask({"embed", model, "--ids", ids.string(), "--deadline", "20s"});
  EXPECT_EQ(text_of(asked.json(), "status"), "ok") << asked.err;
}

TEST(Clients, AreToldAtOnceWhenNoClusterRuns) {
  cluster c(config_text(1));
  ASSERT_EQ(c.up().code, 0);
  const auto model = c.publish("m", 1);
  ASSERT_EQ(c.down().code, 0);
  const auto began = std::chrono::steady_clock::now();
  const auto ids = c.where().file("one.json", "[[5,6,7]]");
  const auto asked = c.ask({"embed", model, "--ids", ids.string(), "--deadline", "30s"});
  EXPECT_EQ(text_of(asked.json(), "status"), "unavailable");
  EXPECT_LT(std::chrono::steady_clock::now() - began, 10s);
}

TEST(Clients, CountTheirDeadlineFromTheirCall) {
  cluster c(config_text(1));
  ASSERT_EQ(c.up().code, 0);
  const auto model = c.publish("m", 1);
  ASSERT_FALSE(c.embed(model).empty());
  const auto head = static_cast<pid_t>(c.pid_of("head"));
  ::kill(head, SIGSTOP); // takes connections, reads nothing
  const auto ids = c.where().file("one.json", "[[5,6,7]]");
  auto asking = start_embed(c, model, ids, "500ms");
  auto asked = asking->wait(1200ms);
  ::kill(head, SIGCONT);
  if (!asked) asked = asking->wait(10s);
  ASSERT_TRUE(asked.has_value());
  EXPECT_NE(text_of(asked->json(), "status"), "ok");
}

TEST(Clients, ThatAreKilledTakeTheirRequestsOutOfTheQueue) {
  cluster c(config_text(1));
  ASSERT_EQ(c.up().code, 0);
  const auto model = c.publish("m", 1);
  ASSERT_FALSE(c.embed(model).empty());
  const auto worker = static_cast<pid_t>(c.pid_of("worker-0"));
  ::kill(worker, SIGSTOP); // requests wait
  auto asking = start_embed(c, model, many_ids(c, 200), "50s");
  ASSERT_TRUE(c.eventually([&] { return queued(c) > 150; }));
  asking->signal(SIGKILL);
  EXPECT_TRUE(c.eventually([&] { return queued(c) == 0; }, 5s));
  ::kill(worker, SIGCONT);
}

} // namespace
} // namespace fastptm::integration
