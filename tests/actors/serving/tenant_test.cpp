// Admission, checks and the promise of exactly one answer.
#include "actors/serving/tenant.hpp"

#include <gtest/gtest.h>

#include "actors/actor_from_state.hpp"
#include "actors/deterministic_system.hpp"
#include "tests/support/recording_actors.hpp"

namespace fastptm::actors {
namespace {

constexpr core::duration_us second_us = 1'000'000;

class Tenant : public testing::Test {
protected:
  Tenant() {
    scheduler_ = world_.system().spawn<actor_from_state<tests::recording_scheduler>>(&told_);
    tenant_options options;
    options.name = "acme";
    options.limits.in_flight = 2;
    options.default_deadline_us = second_us;
    options.clock = &world_.clock();
    options.scheduler = scheduler_;
    tenant_ = world_.system().spawn<actor_from_state<tenant>>(options);
    publish("acme/m@1", 1);
  }
  ~Tenant() override {
    caf::anon_send_exit(tenant_, caf::exit_reason::kill);
    caf::anon_send_exit(scheduler_, caf::exit_reason::kill);
    world_.run();
  }

  void publish(const std::string& name, uint64_t id) {
    protocol::model_added added;
    added.row.id = {id};
    added.row.name = name;
    added.row.tenant = "acme";
    added.row.vocabulary = 100;
    added.row.max_tokens = 4;
    added.row.token_types = 2;
    caf::anon_send(tenant_, added);
    world_.run();
  }

  static protocol::infer_request ask_for(const std::string& model, std::vector<int32_t> ids, int64_t deadline_us = 0) {
    return {model, protocol::task_kind::embed, protocol::encode_input(ids, {}), deadline_us};
  }

  protocol::infer_reply infer(const protocol::infer_request& request, core::duration_us patience_us = 30 * second_us) {
    auto reply = world_.ask<protocol::infer_reply>(tenant_, patience_us, request);
    EXPECT_TRUE(reply.has_value());
    return reply.value_or(protocol::infer_reply{});
  }

  actors::deterministic_system world_;
  tests::scheduler_record told_;
  protocol::scheduler_actor scheduler_;
  protocol::tenant_actor tenant_;
};

TEST_F(Tenant, PassesTheAnswerOnWithItsAccount) {
  told_.reply =
      protocol::infer_reply{protocol::status::ok, {}, 0, protocol::encode_output(std::vector<float>{1, 2}), {}};
  told_.reply->spent.node = "worker-0";
  const auto reply = infer(ask_for("acme/m@1", {1, 2}));
  EXPECT_EQ(reply.end, protocol::status::ok);
  EXPECT_EQ(reply.spent.node, "worker-0");
  EXPECT_EQ(protocol::decode_output(reply.output), (std::vector<float>{1, 2}));
}

TEST_F(Tenant, SaysWhatANameMeansNow) {
  publish("acme/m@2", 2);
  const auto named = [&](const char* name) {
    auto row = world_.ask<protocol::model_row>(tenant_, second_us, protocol::find_atom_v, std::string(name));
    return row ? row->name : std::string(to_string(row.error().code));
  };
  EXPECT_EQ(named("acme/m@1"), "acme/m@1");
  EXPECT_EQ(named("acme/m"), "acme/m@2");
  EXPECT_EQ(named("m"), "acme/m@2");
  EXPECT_EQ(named("m@1"), "acme/m@1");
  EXPECT_EQ(named("acme/other"), "not_found");
  EXPECT_EQ(named("globex/m"), "permission_denied");
}

TEST_F(Tenant, SaysThatAModelIsDamagedInsteadOfServingAnEarlierVersion) {
  caf::anon_send(tenant_, protocol::model_unreadable{"acme/m@2"});
  world_.run();
  for (const char* name : {"acme/m@2", "acme/m", "m"}) {
    const auto reply = infer(ask_for(name, {1}));
    EXPECT_EQ(reply.end, protocol::status::unavailable) << name;
    EXPECT_NE(reply.error.find("acme/m@2 is damaged"), std::string::npos) << reply.error;
  }
  EXPECT_TRUE(told_.requests.empty());
  const auto newest = [&] {
    return world_.ask<protocol::model_row>(tenant_, second_us, protocol::find_atom_v, std::string("acme/m"));
  };
  EXPECT_EQ(newest().error().code, core::errc::corrupt);
  publish("acme/m@2", 2); // its manifest has come back
  EXPECT_EQ(newest()->name, "acme/m@2");
  caf::anon_send(tenant_, protocol::model_unreadable{"acme/m@3"});
  caf::anon_send(tenant_, protocol::model_removed{{3}, "acme/m@3"});
  world_.run();
  EXPECT_EQ(newest()->name, "acme/m@2");
}

TEST_F(Tenant, HandsPartsToTheLatestWhoAsksUntilTheReply) {
  const auto receiver = [&](std::vector<uint64_t>* got) {
    return caf::actor_cast<protocol::part_receiver_actor>(
        world_.system().spawn([got](caf::event_based_actor*) -> caf::behavior {
          return {[got](const protocol::answer_part& part) { got->push_back(part.of); }};
        }));
  };
  std::vector<uint64_t> first, second;
  auto request = ask_for("acme/m@1", {1}, 10 * second_us);
  request.key = "k";
  request.call = 17;
  request.parts = receiver(&first);
  caf::scoped_actor asker(world_.system());
  asker->send(tenant_, request);
  world_.run();
  ASSERT_EQ(told_.requests.size(), 1u);
  EXPECT_TRUE(told_.requests[0].in_parts);
  const auto part = [&] {
    caf::anon_send(tenant_, protocol::answer_part{told_.requests[0].ticket, 0, {7}, {}});
    world_.run();
  };
  part();
  EXPECT_EQ(first, (std::vector<uint64_t>{17}));
  request.call = 18;
  request.parts = receiver(&second);
  asker->send(tenant_, request); // the same key on another connection
  world_.run();
  part();
  EXPECT_EQ(second, (std::vector<uint64_t>{18}));
  EXPECT_EQ(first.size(), 1u);
  caf::anon_send(tenant_, protocol::cancel_atom_v, uint64_t{18});
  world_.run();
  part();
  EXPECT_EQ(second.size(), 1u);
  caf::anon_send_exit(request.parts, caf::exit_reason::kill);
  world_.run();
}

TEST_F(Tenant, TakesTheNewestVersionWhenNoneIsNamed) {
  publish("acme/m@10", 10);
  publish("acme/m@9", 9);
  told_.reply = protocol::infer_reply{protocol::status::ok, {}, 0, {}, {}};
  infer(ask_for("acme/m", {1}));
  ASSERT_EQ(told_.requests.size(), 1u);
  EXPECT_EQ(told_.requests[0].model.value, 10u);
}

TEST_F(Tenant, AModelThatWasTakenBackIsNotFoundAndTheOneBeforeIsTheNewest) {
  publish("acme/m@2", 2);
  told_.reply = protocol::infer_reply{protocol::status::ok, {}, 0, {}, {}};
  caf::anon_send(tenant_, protocol::model_removed{{2}, "acme/m@2"});
  EXPECT_EQ(infer(ask_for("acme/m@2", {1})).end, protocol::status::not_found);
  EXPECT_EQ(infer(ask_for("acme/m", {1})).end, protocol::status::ok);
  EXPECT_EQ(told_.requests.back().model.value, 1u);
  caf::anon_send(tenant_, protocol::model_removed{{1}, "acme/m@1"});
  EXPECT_EQ(infer(ask_for("acme/m", {1})).end, protocol::status::not_found);
}

TEST_F(Tenant, LeavesOthersModelsToOthers) {
  EXPECT_EQ(infer(ask_for("globex/m@1", {1})).end, protocol::status::permission_denied);
  EXPECT_EQ(infer(ask_for("acme/none@1", {1})).end, protocol::status::not_found);
}

TEST_F(Tenant, RefusesATaskThatTheModelDoesNotDo) {
  auto classify = ask_for("acme/m@1", {1});
  classify.task = protocol::task_kind::classify;
  EXPECT_EQ(infer(classify).end, protocol::status::invalid);
  EXPECT_TRUE(told_.requests.empty());
}

TEST_F(Tenant, AnswersWithinASecondAfterTheDeadlineWhenNobodyElseDoes) {
  const auto asked_us = world_.clock().now_us();
  const auto reply = infer(ask_for("acme/m@1", {1}, 500'000));
  EXPECT_EQ(reply.end, protocol::status::deadline_exceeded);
  EXPECT_LE(world_.clock().now_us() - asked_us, 1'500'000);
  ASSERT_EQ(told_.cancelled.size(), 1u);
  EXPECT_EQ(told_.cancelled[0], told_.requests[0].ticket);
}

TEST_F(Tenant, AdmitsNoMoreThanItsBound) {
  caf::scoped_actor client{world_.system()};
  for (int i = 0; i < 2; ++i) (void)client->request(tenant_, std::chrono::seconds(9), ask_for("acme/m@1", {1}));
  world_.run();
  EXPECT_EQ(infer(ask_for("acme/m@1", {1})).end, protocol::status::quota_exceeded);
  world_.advance(2 * second_us); // both have been answered by now
  told_.reply = protocol::infer_reply{protocol::status::ok, {}, 0, {}, {}};
  EXPECT_EQ(infer(ask_for("acme/m@1", {1})).end, protocol::status::ok);
}

TEST_F(Tenant, CallsAnAnswerAfterTheDeadlineLate) {
  caf::scoped_actor client{world_.system()};
  auto pending = client->request(tenant_, std::chrono::seconds(9), ask_for("acme/m@1", {1}, 10'000));
  world_.run();
  ASSERT_EQ(told_.requests.size(), 1u);
  EXPECT_EQ(told_.requests[0].deadline_us, 10'000);
  world_.advance(20'000);
  tests::inside(scheduler_, [this] {
    told_.unanswered[0].deliver(protocol::infer_reply{protocol::status::ok, {}, 0, {}, {}});
  });
  world_.run();
  pending.receive(
      [](const protocol::infer_reply& reply) {
        EXPECT_EQ(reply.end, protocol::status::late);
        EXPECT_TRUE(reply.spent.late);
        EXPECT_GE(reply.spent.total_us, 20'000);
      },
      [](const caf::error&) { ADD_FAILURE() << "an error instead of an answer"; });
}

TEST_F(Tenant, CancelsWhatNobodyWaitsFor) {
  caf::scoped_actor client{world_.system()};
  auto request = ask_for("acme/m@1", {1});
  request.call = 7;
  (void)client->request(tenant_, std::chrono::seconds(9), request);
  world_.run();
  caf::anon_send(tenant_, protocol::cancel_atom_v, uint64_t{8}); // somebody else's
  world_.run();
  EXPECT_TRUE(told_.cancelled.empty());
  caf::anon_send(tenant_, protocol::cancel_atom_v, uint64_t{7});
  world_.run();
  ASSERT_EQ(told_.cancelled.size(), 1u);
  EXPECT_EQ(told_.cancelled[0], told_.requests[0].ticket);
  EXPECT_TRUE(client->has_next_message()) << "the gateway's ticket has to end";
  tests::inside(scheduler_, [this] {
    told_.unanswered[0].deliver(protocol::infer_reply{protocol::status::ok, {}, 0, {}, {}});
  });
  world_.run(); // comes too late and harms nobody
  told_.reply = protocol::infer_reply{protocol::status::ok, {}, 0, {}, {}};
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(infer(ask_for("acme/m@1", {1})).end, protocol::status::ok) << "its place is free";
}

TEST_F(Tenant, ARequestThatComesAgainUnderItsKeyIsComputedOnce) {
  caf::scoped_actor first{world_.system()}, second{world_.system()};
  auto request = ask_for("acme/m@1", {1, 2});
  request.key = "0123456789abcdef";
  request.call = 1;
  (void)first->request(tenant_, std::chrono::seconds(9), request);
  world_.run();
  request.call = 2;
  auto again = second->request(tenant_, std::chrono::seconds(9), request);
  world_.run();
  EXPECT_EQ(told_.requests.size(), 1u);
  EXPECT_TRUE(first->has_next_message());
  EXPECT_FALSE(second->has_next_message());
  caf::anon_send(tenant_, protocol::cancel_atom_v, uint64_t{1}); // the gateway notices the first connection's end
  world_.run();
  EXPECT_TRUE(told_.cancelled.empty());
  tests::inside(scheduler_, [this] {
    told_.unanswered[0].deliver(protocol::infer_reply{protocol::status::ok, {}, 0, {}, {}});
  });
  world_.run();
  again.receive([](const protocol::infer_reply& reply) { EXPECT_EQ(reply.end, protocol::status::ok); },
                [](const caf::error&) { ADD_FAILURE() << "an error instead of an answer"; });
  request.call = 3;
  told_.reply = protocol::infer_reply{protocol::status::ok, {}, 0, {}, {}};
  EXPECT_EQ(infer(request).end, protocol::status::ok);
  EXPECT_EQ(told_.requests.size(), 2u) << "what was answered is asked anew";
}

TEST_F(Tenant, AKeyMeansOneRequest) {
  caf::scoped_actor client{world_.system()};
  auto request = ask_for("acme/m@1", {1, 2});
  request.key = "0123456789abcdef";
  (void)client->request(tenant_, std::chrono::seconds(9), request);
  world_.run();
  request.input = protocol::encode_input(std::vector<int32_t>{1, 3}, {});
  EXPECT_EQ(infer(request).end, protocol::status::invalid);
  EXPECT_EQ(told_.requests.size(), 1u);
}

TEST_F(Tenant, AnswersEverybodyWhenItStops) {
  caf::scoped_actor client{world_.system()};
  auto pending = client->request(tenant_, std::chrono::seconds(9), ask_for("acme/m@1", {1}));
  world_.run();
  caf::anon_send(tenant_, protocol::stop_atom_v);
  world_.run();
  ASSERT_TRUE(client->has_next_message());
  pending.receive([](const protocol::infer_reply& reply) { EXPECT_EQ(reply.end, protocol::status::unavailable); },
                  [](const caf::error&) { ADD_FAILURE() << "an error instead of an answer"; });
}

} // namespace
} // namespace fastptm::actors
