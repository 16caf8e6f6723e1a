// Joining, leases and holdings of the directory, in virtual time.
#include "actors/membership/directory.hpp"

#include <cstring>
#include <set>

#include <gtest/gtest.h>

#include "actors/actor_from_state.hpp"
#include "actors/deterministic_system.hpp"
#include "actors/membership/join_proof.hpp"
#include "actors/membership/ledger.hpp"
#include "tests/support/recording_actors.hpp"

namespace fastptm::actors {
namespace {

constexpr core::duration_us second_us = 1'000'000;

class Directory : public testing::Test {
protected:
  Directory() {
    scheduler_ = world_.system().spawn<actor_from_state<tests::recording_scheduler>>(&told_);
    directory_options options;
    options.heartbeat_us = 250'000;
    options.lease_us = 1'000'000;
    options.secret = "secret";
    options.admission = "admission";
    options.nodes = {{"head", {"head"}}, {"worker-0", {"worker"}}, {"worker-1", {"worker"}}};
    options.clock = &world_.clock();
    ledger_ = world_.system().spawn<actor_from_state<ledger>>(ledger_options{});
    options.ledger = ledger_;
    options.scheduler = scheduler_;
    directory_ = world_.system().spawn<actor_from_state<directory>>(options);
    worker_ = world_.system().spawn<actor_from_state<tests::recording_worker>>(&worker_record_);
  }
  ~Directory() override {
    for (const auto& one : supervisors_) caf::anon_send_exit(one, caf::exit_reason::kill);
    caf::anon_send_exit(directory_, caf::exit_reason::kill);
    caf::anon_send_exit(ledger_, caf::exit_reason::kill);
    caf::anon_send_exit(scheduler_, caf::exit_reason::kill);
    caf::anon_send_exit(worker_, caf::exit_reason::kill);
    world_.run();
  }

  core::result<std::string> hello(const std::string& node, uint32_t version = protocol::protocol_version,
                                  const std::string& admission = "admission") {
    return world_.ask<std::string>(directory_, second_us, protocol::hello_atom_v, version, node, admission);
  }

  core::result<protocol::join_reply> join(const std::string& node, uint64_t incarnation,
                                          const std::string& secret = "secret") {
    const auto nonce = hello(node);
    if (!nonce) return core::fail(nonce.error());
    supervisors_.push_back(world_.system().spawn<actor_from_state<tests::recording_supervisor>>(&heard_[node]));
    protocol::join_request request;
    request.version = protocol::protocol_version;
    request.proof = join_proof(secret, *nonce, node, incarnation);
    request.peer.node = node;
    request.peer.incarnation = incarnation;
    request.pid = 42;
    request.devices = {{node + "/host0", worker_}};
    request.supervisor = supervisors_.back();
    return world_.ask<protocol::join_reply>(directory_, second_us, request);
  }

  // Joins and reports the device, as a gpu_worker does.
  protocol::registration_id ready(const std::string& node, uint64_t incarnation) {
    const auto joined = join(node, incarnation);
    EXPECT_TRUE(joined.has_value());
    protocol::device_row row;
    row.name = node + "/host0";
    row.arena_bytes = 1 << 20;
    caf::anon_send(directory_, joined->lease.registration, row);
    world_.run();
    return joined->lease.registration;
  }

  std::vector<protocol::holder_row> holders(protocol::registration_id by, const std::string& device,
                                            const core::digest& shard) {
    const auto found =
        world_.ask<protocol::holder_list>(directory_, second_us, by, protocol::locate_request{device, {1}, {shard}});
    return found ? found->rows : std::vector<protocol::holder_row>();
  }

  // A transfer, as the directory sees it: asks, hears, and asks again for everything when told to.
  struct search {
    std::vector<protocol::holder_list> heard;
    caf::actor who;
    std::vector<std::string> devices() const { // in the order in which it heard of them
      std::vector<std::string> all;
      for (const auto& list : heard)
        for (const auto& row : list.rows) all.push_back(row.device);
      return all;
    }
  };
  void start(search& of, protocol::registration_id by, const std::string& device, uint64_t load,
             std::vector<core::digest> shards) {
    of.who = world_.system().spawn([=, this, &of](caf::event_based_actor* self) -> caf::behavior {
      const auto ask = [=, this, &of] {
        self->request(directory_, std::chrono::microseconds(second_us), by,
                      protocol::locate_request{device, {load}, shards})
            .then([&of](const protocol::holder_list& answer) { of.heard.push_back(answer); });
      };
      ask();
      return {[ask](protocol::tick_atom) { ask(); },
              [&of](const protocol::holder_list& news) { of.heard.push_back(news); }};
    });
    world_.run();
  }
  void end(const search& of) {
    caf::anon_send_exit(of.who, caf::exit_reason::kill);
    world_.run();
  }
  void hold(protocol::registration_id by, const std::string& device, const core::digest& shard) {
    caf::anon_send(directory_, protocol::holdings_added{by, device, {{shard, 3, 4, 0, 4096}}});
    world_.run();
  }
  static core::digest numbered(uint32_t number) {
    core::digest named;
    std::memcpy(named.bytes.data(), &number, sizeof number);
    return named;
  }

  protocol::node_state state_of(const std::string& node) {
    const auto listed = world_.ask<protocol::node_list>(ledger_, second_us, protocol::nodes_atom_v);
    for (const auto& row : listed->rows)
      if (row.name == node) return row.state;
    return protocol::node_state::lost;
  }

  actors::deterministic_system world_;
  tests::scheduler_record told_;
  tests::worker_record worker_record_;
  std::map<std::string, tests::supervisor_record> heard_;
  std::vector<protocol::supervisor_actor> supervisors_;
  protocol::scheduler_actor scheduler_;
  protocol::gpu_worker_actor worker_;
  protocol::ledger_actor ledger_;
  protocol::directory_actor directory_;
};

TEST_F(Directory, RefusesAnotherProtocolVersion) {
  const auto nonce = hello("worker-0", protocol::protocol_version + 1);
  ASSERT_FALSE(nonce);
  EXPECT_EQ(nonce.error().code, core::errc::version_mismatch);
  EXPECT_NE(nonce.error().message.find("run the same build"), std::string::npos);
}

TEST_F(Directory, GreetsThoseOnlyWhoComeByAnEntrance) {
  const auto nonce = hello("worker-0", protocol::protocol_version, "guess");
  ASSERT_FALSE(nonce);
  EXPECT_EQ(nonce.error().code, core::errc::permission_denied);
}

TEST_F(Directory, RefusesAWrongSecret) {
  const auto joined = join("worker-0", 7, "guess");
  ASSERT_FALSE(joined);
  EXPECT_EQ(joined.error().code, core::errc::permission_denied);
  EXPECT_EQ(state_of("worker-0"), protocol::node_state::lost);
}

TEST_F(Directory, RefusesANodeThatIsNotConfigured) {
  const auto joined = join("stranger", 7);
  ASSERT_FALSE(joined);
  EXPECT_EQ(joined.error().code, core::errc::not_found);
}

TEST_F(Directory, RefusesAProofThatIsPlayedBack) {
  const auto nonce = hello("worker-0");
  protocol::join_request request;
  request.version = protocol::protocol_version;
  request.peer.node = "worker-0";
  request.peer.incarnation = 7;
  request.proof = join_proof("secret", *nonce, "worker-0", 7);
  EXPECT_TRUE(world_.ask<protocol::join_reply>(directory_, second_us, request).has_value());
  EXPECT_FALSE(world_.ask<protocol::join_reply>(directory_, second_us, request).has_value());
}

// A hello of a connection that its node has given up is read behind the one that it goes on with.
TEST_F(Directory, LetsANodeJoinWhoseEarlierHelloWasReadLate) {
  const auto nonce = hello("worker-0");
  ASSERT_TRUE(hello("worker-0").has_value());
  protocol::join_request request;
  request.version = protocol::protocol_version;
  request.peer.node = "worker-0";
  request.peer.incarnation = 7;
  request.proof = join_proof("secret", *nonce, "worker-0", 7);
  EXPECT_TRUE(world_.ask<protocol::join_reply>(directory_, second_us, request).has_value());
}

TEST_F(Directory, RefusesASecondLiveNodeOfTheSameName) {
  ready("worker-0", 7);
  const auto other = join("worker-0", 8);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, core::errc::already_exists);
  EXPECT_EQ(state_of("worker-0"), protocol::node_state::ready);
}

TEST_F(Directory, TellsTheSchedulerOfADeviceOnceItHasReported) {
  const auto joined = join("worker-0", 7);
  ASSERT_TRUE(joined.has_value());
  EXPECT_TRUE(told_.joined.empty());
  EXPECT_EQ(state_of("worker-0"), protocol::node_state::suspect);
  const auto report = [&](protocol::registration_id by) {
    protocol::device_row row;
    row.name = "worker-0/host0";
    row.arena_bytes = 1 << 20;
    caf::anon_send(directory_, by, row);
    world_.run();
  };
  report(protocol::registration_id{0});
  EXPECT_TRUE(told_.joined.empty()) << "a report of another registration counts";
  report(joined->lease.registration);
  ASSERT_EQ(told_.joined.size(), 1u);
  EXPECT_EQ(told_.joined[0].registration, joined->lease.registration);
  EXPECT_EQ(told_.joined[0].row.name, "worker-0/host0");
  EXPECT_EQ(state_of("worker-0"), protocol::node_state::ready);
  report(joined->lease.registration);
  EXPECT_EQ(told_.joined.size(), 1u) << "told twice";
}

TEST_F(Directory, LosesANodeWhoseLeaseExpires) {
  const auto silent = ready("worker-0", 7), alive = ready("worker-1", 8);
  ASSERT_EQ(told_.joined.size(), 2u);
  for (int beat = 0; beat < 3; ++beat) {
    world_.advance(250'000);
    EXPECT_TRUE(world_.ask<bool>(directory_, second_us, protocol::renew_atom_v, alive).has_value());
  }
  EXPECT_EQ(state_of("worker-0"), protocol::node_state::suspect);
  EXPECT_TRUE(told_.lost.empty());
  world_.advance(400'000);
  EXPECT_EQ(state_of("worker-0"), protocol::node_state::lost);
  EXPECT_EQ(state_of("worker-1"), protocol::node_state::ready);
  ASSERT_EQ(told_.lost.size(), 1u);
  EXPECT_EQ(told_.lost[0].device, "worker-0/host0");
  ASSERT_EQ(heard_["worker-1"].lost.size(), 1u);
  EXPECT_EQ(heard_["worker-1"].lost[0].incarnation, 7u);
  const auto renewed = world_.ask<bool>(directory_, second_us, protocol::renew_atom_v, silent);
  ASSERT_FALSE(renewed);
  EXPECT_EQ(renewed.error().code, core::errc::not_found);
}

TEST_F(Directory, ItsOwnStandstillEndsNobodysLease) {
  const auto lease = ready("worker-0", 7);
  world_.stand_still(1'300'000);
  world_.run();
  EXPECT_EQ(state_of("worker-0"), protocol::node_state::ready);
  EXPECT_TRUE(told_.lost.empty());
  EXPECT_TRUE(world_.ask<bool>(directory_, second_us, protocol::renew_atom_v, lease).has_value());
}

TEST_F(Directory, ANodeThatIsSilentAfterAStandstillIsLostAfterItsLease) {
  ready("worker-0", 7);
  world_.stand_still(1'300'000);
  world_.advance(1'250'000);
  EXPECT_EQ(state_of("worker-0"), protocol::node_state::lost);
}

TEST_F(Directory, GivesANodeThatComesBackAnotherRegistration) {
  const auto first = ready("worker-0", 7);
  world_.advance(2 * second_us);
  const auto second = ready("worker-0", 7);
  EXPECT_NE(first, second);
  ASSERT_EQ(told_.joined.size(), 2u);
  EXPECT_EQ(told_.joined[1].registration, second);
}

TEST_F(Directory, TakesALifeThatJoinsAgainBeforeItsLeaseEndsAsLostAndJoined) {
  ready("worker-0", 7);
  ready("worker-0", 7);
  EXPECT_EQ(told_.lost.size(), 1u);
  EXPECT_EQ(told_.joined.size(), 2u);
}

TEST_F(Directory, LosesANodeAtOnceWhenItsSupervisorEnds) {
  ready("worker-0", 7);
  caf::anon_send_exit(supervisors_.back(), caf::exit_reason::kill);
  world_.run();
  EXPECT_EQ(state_of("worker-0"), protocol::node_state::lost);
  EXPECT_EQ(told_.lost.size(), 1u);
}

TEST_F(Directory, ListsHoldersOfLiveNodesOnly) {
  core::digest shard;
  shard.bytes[0] = 1;
  const auto first = ready("worker-0", 7), second = ready("worker-1", 8);
  caf::anon_send(directory_, protocol::holdings_added{first, "worker-0/host0", {{shard, 3, 4, 0, 4096}}});
  const auto ask = [&](const std::string& who) {
    return holders(who == "worker-0" ? first : second, who + "/host0", shard);
  };
  ASSERT_EQ(ask("worker-1").size(), 1u);
  EXPECT_EQ(ask("worker-1")[0].shards[0].generation, 4u);
  EXPECT_TRUE(ask("worker-0").empty()) << "a node is not told of itself";
  caf::anon_send_exit(supervisors_.front(), caf::exit_reason::kill);
  world_.run();
  EXPECT_TRUE(ask("worker-1").empty());
}

TEST_F(Directory, ForgetsAHoldingThatWasDropped) {
  core::digest shard;
  const auto first = ready("worker-0", 7);
  caf::anon_send(directory_, protocol::holdings_added{first, "worker-0/host0", {{shard, 3, 4, 0, 4096}}});
  caf::anon_send(directory_, protocol::holdings_dropped{first, "worker-0/host0", {shard}});
  EXPECT_TRUE(holders(ready("worker-1", 8), "worker-1/host0", shard).empty());
}

TEST_F(Directory, HearsOfADeviceFromItsOwnNodeInItsPresentRegistrationOnly) {
  core::digest shard;
  const auto old = ready("worker-0", 7), first = ready("worker-0", 7), second = ready("worker-1", 8);
  caf::anon_send(directory_, protocol::holdings_added{first, "worker-0/host0", {{shard, 3, 4, 0, 4096}}});
  protocol::load_report report;
  report.device = "worker-0/host0";
  const protocol::running_load running{{1}, "acme/a@1", "worker-0/host0", {}};
  protocol::device_row row;
  row.name = "worker-0/host0";
  row.used_bytes = 77;
  for (const auto by : {old, second, protocol::registration_id{0}, protocol::registration_id{first.value + 1}}) {
    caf::anon_send(directory_, protocol::holdings_dropped{by, "worker-0/host0", {shard}});
    caf::anon_send(directory_, by, report);
    caf::anon_send(directory_, by, running);
    caf::anon_send(directory_, by, row);
    caf::anon_send(directory_, protocol::leave_atom_v, by == second ? old : by);
    EXPECT_TRUE(holders(by, "worker-0/host0", shard).empty());
    EXPECT_TRUE(holders(by, "of nobody", shard).empty());
  }
  EXPECT_EQ(holders(second, "worker-1/host0", shard).size(), 1u);
  EXPECT_EQ(state_of("worker-0"), protocol::node_state::ready);
  const auto loads =
      world_.ask<protocol::load_list>(ledger_, second_us, protocol::loads_atom_v, uint32_t{10}, std::string());
  EXPECT_TRUE(loads->rows.empty());
  EXPECT_TRUE(world_.ask<protocol::running_list>(ledger_, second_us, protocol::running_atom_v)->rows.empty());
  const auto nodes = world_.ask<protocol::node_list>(ledger_, second_us, protocol::nodes_atom_v);
  EXPECT_EQ(nodes->rows[1].devices.at(0).used_bytes, 0u);
}

TEST_F(Directory, TellsADeviceThatItsCopyIsDoubted) {
  const auto holder = ready("worker-0", 7), asker = ready("worker-1", 8);
  protocol::suspect doubted;
  doubted.copy.region = 3;
  doubted.noticed_by = "worker-1/host0";
  caf::anon_send(directory_, asker, std::string("worker-0/host0"), doubted);
  caf::anon_send(directory_, protocol::registration_id{holder.value + 1}, std::string("worker-0/host0"), doubted);
  caf::anon_send(directory_, asker, std::string("of nobody"), doubted);
  world_.run();
  ASSERT_EQ(worker_record_.doubted.size(), 1u) << "strangers are not passed on";
  EXPECT_EQ(worker_record_.doubted[0].copy.region, 3u);
}

TEST_F(Directory, TellsALoadOfAShardWhenTheLoadBeforeItHasIt) {
  const auto first = ready("worker-0", 7), second = ready("worker-1", 8);
  search root, child;
  start(root, first, "worker-0/host0", 1, {numbered(1), numbered(2)});
  start(child, second, "worker-1/host0", 2, {numbered(1), numbered(2)});
  ASSERT_EQ(child.heard.size(), 1u);
  EXPECT_EQ(child.heard[0].expected.size(), 2u);
  hold(first, "worker-0/host0", numbered(2));
  ASSERT_EQ(child.heard.size(), 2u);
  EXPECT_TRUE(child.heard[1].expected.empty()) << "it has been told of that";
  ASSERT_EQ(child.heard[1].rows.size(), 1u);
  EXPECT_EQ(child.heard[1].rows[0].peer.incarnation, 7u);
  ASSERT_EQ(child.heard[1].rows[0].shards.size(), 1u);
  EXPECT_EQ(child.heard[1].rows[0].shards[0].shard, numbered(2));
  EXPECT_EQ(root.heard.size(), 1u);
  end(root);
  ASSERT_EQ(child.heard.size(), 3u);
  EXPECT_EQ(child.heard[2].not_expected, std::vector{numbered(1)});
  end(child);
}

TEST_F(Directory, TellsALoadOfThePartsOfAShardThatTheLoadBeforeItHas) {
  const auto first = ready("worker-0", 7), second = ready("worker-1", 8);
  search root, child;
  start(root, first, "worker-0/host0", 1, {numbered(1)});
  start(child, second, "worker-1/host0", 2, {numbered(1)});
  for (const uint32_t chunks : {1u, 3u})
    caf::anon_send(directory_,
                   protocol::holdings_added{first, "worker-0/host0", {{numbered(1), 3, 4, 0, 32 << 20, chunks}}});
  world_.run();
  ASSERT_GE(child.heard.size(), 2u);
  ASSERT_EQ(child.heard.back().rows.size(), 1u);
  EXPECT_EQ(child.heard.back().rows[0].shards[0].chunks, 3u);
  EXPECT_FALSE(child.heard.back().rows[0].shards[0].is_whole());
  EXPECT_EQ(root.heard.size(), 1u);
  EXPECT_TRUE(holders(second, "worker-1/host0", numbered(1)).empty()) << "whoever asks anew hears of whole ones only";
  hold(first, "worker-0/host0", numbered(1));
  end(root);
  end(child);
}

TEST_F(Directory, TellsManyShardsThatArriveTogetherInOneMessage) {
  const auto first = ready("worker-0", 7), second = ready("worker-1", 8);
  search one;
  start(one, second, "worker-1/host0", 1, {numbered(1), numbered(2), numbered(3)});
  for (uint32_t i = 1; i <= 3; ++i)
    caf::anon_send(directory_, protocol::holdings_added{first, "worker-0/host0", {{numbered(i), 3, 4, 0, 4096}}});
  world_.run();
  ASSERT_EQ(one.heard.size(), 2u);
  EXPECT_EQ(one.heard[1].rows.at(0).shards.size(), 3u);
  end(one);
}

TEST_F(Directory, NamesOthersToWhoAsksAgainOrLosesWhatItWasToldOf) {
  const auto head = ready("head", 6), first = ready("worker-0", 7), second = ready("worker-1", 8);
  search one;
  hold(first, "worker-0/host0", numbered(1));
  start(one, second, "worker-1/host0", 1, {numbered(1)});
  caf::anon_send(one.who, protocol::tick_atom_v);
  world_.run();
  ASSERT_EQ(one.heard.size(), 2u);
  EXPECT_TRUE(one.heard[1].rows.empty()) << "it knows that one";
  hold(head, "head/host0", numbered(1));
  EXPECT_EQ(one.devices(), (std::vector<std::string>{"worker-0/host0", "head/host0"}));
  end(one);
  search other;
  start(other, second, "worker-1/host0", 2, {numbered(1)});
  EXPECT_EQ(other.devices().size(), 2u) << "a new load may try both";
  end(other);
}

TEST_F(Directory, KeepsEveryAnswerBelowTheLimitOfAMessage) {
  constexpr uint32_t shards = 1000;
  const auto first = ready("worker-0", 7), second = ready("worker-1", 8);
  std::vector<core::digest> wanted;
  for (uint32_t i = 0; i < shards; ++i) {
    wanted.push_back(numbered(i));
    hold(first, "worker-0/host0", wanted.back());
  }
  search one;
  start(one, second, "worker-1/host0", 1, wanted);
  ASSERT_GT(one.heard.size(), 1u);
  std::set<core::digest> found, announced;
  for (const auto& list : one.heard) {
    size_t bytes = list.expected.size() * sizeof(core::digest);
    for (const auto& row : list.rows) {
      bytes += sizeof row + row.shards.size() * sizeof(protocol::shard_location);
      for (const auto& at : row.shards) found.insert(at.shard);
    }
    EXPECT_LT(bytes, protocol::message_limit_bytes);
    if (announced.empty()) { // of what the first list does not bring it says that it follows
      announced = found;
      announced.insert(list.expected.begin(), list.expected.end());
    }
  }
  EXPECT_EQ(found.size(), shards);
  EXPECT_EQ(announced.size(), shards);
  end(one);
}

TEST_F(Directory, TellsEveryNodeOnceOfAllThatAreLostTogether) {
  ready("worker-0", 7);
  ready("worker-1", 8);
  ready("head", 6);
  for (size_t i = 0; i < 2; ++i) caf::anon_send_exit(supervisors_[i], caf::exit_reason::kill);
  world_.run();
  EXPECT_EQ(heard_["head"].messages, 1u);
  EXPECT_EQ(heard_["head"].lost.size(), 2u);
}

TEST_F(Directory, TellsNobodyToLeaveALifeThatJoinsAgain) {
  ready("worker-1", 8);
  ready("worker-0", 7);
  ready("worker-0", 7);
  EXPECT_TRUE(heard_["worker-1"].lost.empty()) << "what it exports is where it was";
  world_.advance(2 * second_us);
  ready("worker-1", 8);
  EXPECT_EQ(state_of("worker-0"), protocol::node_state::lost);
}

TEST_F(Directory, ForgetsWhatALostNodeWasLoading) {
  const auto first = ready("worker-0", 7);
  caf::anon_send(directory_, first, protocol::running_load{{1}, "acme/a@1", "worker-0/host0", {}});
  world_.run();
  const auto running = [&] {
    return world_.ask<protocol::running_list>(ledger_, second_us, protocol::running_atom_v)->rows.size();
  };
  EXPECT_EQ(running(), 1u);
  caf::anon_send_exit(supervisors_.back(), caf::exit_reason::kill);
  world_.run();
  EXPECT_EQ(running(), 0u);
}

TEST_F(Directory, RemembersThatADeviceIsCordoned) {
  ready("worker-0", 7);
  EXPECT_TRUE(world_.ask<bool>(directory_, second_us, protocol::cordon_atom_v, std::string("worker-0/host0"), true)
                  .has_value());
  ready("worker-0", 7);
  ASSERT_EQ(told_.cordoned.size(), 2u);
  const auto wrong = world_.ask<bool>(directory_, second_us, protocol::cordon_atom_v, std::string("nothing"), true);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message, "no device 'nothing'; there are: worker-0/host0");
}

} // namespace
} // namespace fastptm::actors
