// Joining, renewing, joining again and stopping, against the real directory in virtual time.
#include "actors/membership/supervisor.hpp"

#include <gtest/gtest.h>

#include "actors/actor_from_state.hpp"
#include "actors/deterministic_system.hpp"
#include "actors/membership/directory.hpp"
#include "actors/membership/entrance.hpp"
#include "tests/support/recording_actors.hpp"

namespace fastptm::actors {
namespace {

constexpr core::duration_us second_us = 1'000'000;

class Supervisor : public testing::Test {
protected:
  Supervisor() {
    scheduler_ = world_.system().spawn<actor_from_state<tests::recording_scheduler>>(&told_);
    directory_options options;
    options.heartbeat_us = 250'000;
    options.lease_us = 1'000'000;
    options.secret = "secret";
    options.admission = "admission";
    options.nodes = {{"worker-0", {"worker"}}};
    options.clock = &world_.clock();
    options.scheduler = scheduler_;
    directory_ = world_.system().spawn<actor_from_state<directory>>(options);
    record_.stopped = &stopped_;
    record_.name = "worker";
    worker_ = world_.system().spawn<actor_from_state<tests::recording_worker>>(&record_);
    second_.stopped = &stopped_;
    second_.name = "second";
    other_ = world_.system().spawn<actor_from_state<tests::recording_worker>>(&second_);
  }
  ~Supervisor() override {
    for (const auto& one : {caf::actor_cast<caf::actor>(supervisor_), caf::actor_cast<caf::actor>(directory_),
                            caf::actor_cast<caf::actor>(scheduler_), caf::actor_cast<caf::actor>(worker_),
                            caf::actor_cast<caf::actor>(other_)})
      if (one) caf::anon_send_exit(one, caf::exit_reason::kill);
    world_.run();
  }

  void start(const std::string& secret = "secret", const std::string& certificate_of = "worker-0") {
    const auto entrance_of_it =
        world_.system().spawn<actor_from_state<entrance>>(entrance_options{certificate_of, directory_, "admission"});
    supervisor_options options;
    options.secret = secret;
    options.peer.node = "worker-0";
    options.peer.incarnation = 7;
    options.connect_timeout_us = 1'000'000;
    options.devices = {{"worker-0/host0", worker_}};
    options.reach_head = [found = caf::actor_cast<caf::strong_actor_ptr>(entrance_of_it)](const connected& done) {
      done(found);
    };
    options.children = {{caf::actor_cast<caf::actor>(worker_)}, {caf::actor_cast<caf::actor>(other_)}};
    options.on_joined = [this] { ++joined_; };
    options.on_fatal = [this](const core::error& why) { fatal_.push_back(why); };
    supervisor_ = world_.system().spawn<actor_from_state<supervisor>>(options);
    world_.run();
  }

  actors::deterministic_system world_;
  tests::scheduler_record told_;
  tests::worker_record record_, second_;
  std::vector<std::string> stopped_;
  std::vector<core::error> fatal_;
  int joined_ = 0;
  protocol::scheduler_actor scheduler_;
  protocol::gpu_worker_actor worker_, other_;
  protocol::directory_actor directory_;
  protocol::supervisor_actor supervisor_;
};

TEST_F(Supervisor, JoinsAndAttachesItsDevices) {
  start();
  EXPECT_EQ(joined_, 1);
  ASSERT_EQ(record_.attached.size(), 1u);
  EXPECT_NE(record_.attached[0].registration.value, 0u);
}

TEST_F(Supervisor, KeepsItsLeaseForAnHour) {
  start();
  protocol::device_row row;
  row.name = "worker-0/host0";
  caf::anon_send(directory_, record_.attached.at(0).registration, row);
  world_.run();
  ASSERT_EQ(told_.joined.size(), 1u);
  world_.advance(3600 * second_us, second_us / 20);
  EXPECT_TRUE(told_.lost.empty()) << "the directory's side of the lease ended";
  EXPECT_EQ(joined_, 1);
}

TEST_F(Supervisor, StaysJoinedWhileAFrozenHeadDoesNotAnswer) {
  start();
  for (int i = 0; i < 10; ++i) {
    world_.stand_still(1'300'000);
    world_.advance(second_us);
  }
  EXPECT_EQ(joined_, 1);
  EXPECT_TRUE(told_.lost.empty());
}

TEST_F(Supervisor, JoinsAgainWhenItsLeaseIsOver) {
  start();
  caf::anon_send(directory_, protocol::leave_atom_v, record_.attached[0].registration);
  world_.advance(second_us);
  EXPECT_EQ(joined_, 2);
  ASSERT_EQ(record_.attached.size(), 2u);
  EXPECT_NE(record_.attached[0].registration, record_.attached[1].registration);
}

TEST_F(Supervisor, CannotGoOnWithAWrongSecret) {
  start("guess");
  ASSERT_EQ(fatal_.size(), 1u);
  EXPECT_EQ(fatal_[0].code, core::errc::permission_denied);
  EXPECT_EQ(joined_, 0);
}

TEST_F(Supervisor, JoinsUnderTheNameInItsCertificateOnly) {
  start("secret", "worker-1");
  ASSERT_EQ(fatal_.size(), 1u);
  EXPECT_EQ(fatal_[0].code, core::errc::permission_denied);
  EXPECT_NE(fatal_[0].message.find("'worker-1' may not join as 'worker-0'"), std::string::npos) << fatal_[0].message;
  EXPECT_EQ(joined_, 0);
}

TEST_F(Supervisor, CannotGoOnWithoutOneOfItsActors) {
  start();
  caf::anon_send_exit(worker_, caf::exit_reason::kill);
  world_.run();
  EXPECT_EQ(fatal_.size(), 1u);
}

TEST_F(Supervisor, StopsItsChildrenGroupByGroup) {
  start();
  caf::anon_send<caf::message_priority::high>(supervisor_, protocol::stop_atom_v);
  world_.run();
  EXPECT_EQ(stopped_, (std::vector<std::string>{"worker", "second"}));
  EXPECT_TRUE(fatal_.empty());
}

} // namespace
} // namespace fastptm::actors
