// One load's search for sources, in virtual time: bytes arrive when the test says so.
#include "actors/device/transfer.hpp"

#include <set>

#include <gmock/gmock.h>

#include "actors/actor_from_state.hpp"
#include "actors/deterministic_system.hpp"
#include "tests/support/manual_fetcher.hpp"

namespace fastptm::actors {
namespace {

using namespace protocol;
using testing::HasSubstr;

constexpr core::duration_us ms = 1000;
constexpr uint64_t chunk = 4 << 20;

class Transfer : public testing::Test {
protected:
  Transfer() {
    environment_.fetcher_to = [this](const transport::peer_address&) { return &fetcher_; };
    environment_.checker = &checker_;
    environment_.clock = &world_.clock();
    // All that a transfer says to them: what they had no handler for would come back as an error, and end it.
    directory_ = world_.system().spawn([this](caf::event_based_actor*) -> caf::behavior {
      return {[this](registration_id, const locate_request&) { return holders_; },
              [this](registration_id, const running_load& running) { told_.push_back(running.peers); },
              [this](registration_id, const std::string& device, const suspect& doubted) {
                doubted_devices_.push_back(device);
                doubted_.push_back(doubted);
              }};
    });
    store_ = world_.system().spawn([this](caf::event_based_actor* self) -> caf::behavior {
      return {[this, self](const stage_request& request) -> caf::result<stage_reply> {
                staged_.push_back(request.shard);
                auto reply = stage_reply_;
                reply.location.region = request.shard.bytes[0]; // so that a test can tell what is fetched
                if (!store_waits_) return reply;
                return waiting_.emplace_back(self->make_response_promise<stage_reply>());
              },
              [this](const stage_reply& late) {
                for (auto& one : std::exchange(waiting_, {})) one.deliver(late);
              },
              [this](release_atom, const core::digest& shard) { released_.push_back(shard); },
              [this](const suspect& doubted) {
                doubted_.push_back(doubted);
                staged_before_doubts_.push_back(staged_.size());
              }};
    });
  }
  ~Transfer() override {
    for (const auto& one : {directory_, store_}) caf::anon_send_exit(one, caf::exit_reason::kill);
    world_.run();
  }

  static core::digest shard(uint8_t number) {
    core::digest named;
    named.bytes[0] = number + 1;
    return named;
  }
  // A peer that has the first shards; for whoever asks from now on it is the only one.
  void let_a_peer_hold(uint8_t shards, const std::string& node = "worker-1", uint64_t incarnation = 1) {
    holder_row row;
    row.device = node + "/host0";
    row.peer.node = node;
    row.peer.incarnation = incarnation;
    for (uint8_t i = 0; i < shards; ++i) row.shards.push_back({shard(i), 7, 1, 0, chunk});
    holders_.rows = {row};
  }

  void begin(std::vector<uint32_t> chunks_of_shards, core::duration_us timeout_us = 1000 * ms) {
    transfer_options options;
    options.environment = &environment_;
    options.load = {1};
    options.device = "worker-0/host0";
    options.timeout_us = timeout_us;
    options.directory = caf::actor_cast<directory_actor>(directory_);
    options.weight_store = caf::actor_cast<weight_store_actor>(store_);
    options.store.node = "head";
    for (uint8_t i = 0; i < chunks_of_shards.size(); ++i) {
      weights::shard_entry entry{shard(i), chunks_of_shards[i] * chunk, {}};
      entry.chunk_checksums.resize(chunks_of_shards[i]);
      options.shards.push_back({entry, {nullptr, entry.size_bytes, core::memory_kind::host}});
    }
    options.verified = [this](uint32_t number) { verified_.push_back(number); };
    options.ended = [this](transfer_end end) { ended_.push_back(std::move(end)); };
    transfer_ = caf::actor_cast<transfer_actor>(world_.system().spawn<actor_from_state<transfer>>(std::move(options)));
    world_.run();
  }
  void land(uint64_t checksum = 0) {
    ASSERT_FALSE(fetcher_.asked.empty());
    fetcher_.land(checksum);
    world_.run();
  }

  actors::deterministic_system world_;
  tests::manual_fetcher fetcher_;
  weights::verifier checker_{0};
  loading_environment environment_;
  caf::actor directory_, store_;
  holder_list holders_;
  transfer_actor transfer_;
  stage_reply stage_reply_;
  bool store_waits_ = false;
  std::vector<caf::typed_response_promise<stage_reply>> waiting_;
  std::vector<std::vector<std::string>> told_; // the peers, as the directory heard of them
  std::vector<core::digest> staged_, released_;
  std::vector<std::string> doubted_devices_;
  std::vector<suspect> doubted_;
  std::vector<size_t> staged_before_doubts_;
  std::vector<uint32_t> verified_;
  std::vector<transfer_end> ended_;
};

TEST_F(Transfer, TakesFromAPeerWhatItHasAndFromTheStoreTheRest) {
  let_a_peer_hold(1);
  stage_reply_.staged = true;
  begin({1, 1});
  EXPECT_EQ(told_, (std::vector<std::vector<std::string>>{{"worker-1/host0"}}));
  EXPECT_EQ(staged_, std::vector{shard(1)});
  ASSERT_EQ(fetcher_.asked.size(), 2u);
  EXPECT_EQ(fetcher_.asked[0].node, "worker-1");
  EXPECT_EQ(fetcher_.asked[1].node, "head");
  land();
  EXPECT_TRUE(released_.empty()) << "the store had nothing to do with it";
  land();
  EXPECT_EQ(released_, std::vector{shard(1)});
  EXPECT_EQ(verified_, (std::vector<uint32_t>{0, 1}));
  ASSERT_EQ(ended_.size(), 1u);
  EXPECT_TRUE(ended_[0].outcome);
}

TEST_F(Transfer, GoesOnForAsLongAsChunksCome) {
  let_a_peer_hold(1);
  begin({6}, 1000 * ms);
  for (int i = 0; i < 6; ++i) {
    world_.advance(900 * ms);
    ASSERT_TRUE(ended_.empty()) << "after " << i << " chunks";
    land();
  }
  ASSERT_EQ(ended_.size(), 1u);
  EXPECT_TRUE(ended_[0].outcome) << ended_[0].outcome.error().message;
}

TEST_F(Transfer, GivesUpWhenNoChunkHasComeForItsTimeout) {
  let_a_peer_hold(1);
  begin({6}, 1000 * ms);
  world_.advance(900 * ms);
  land();
  world_.advance(990 * ms);
  EXPECT_TRUE(ended_.empty());
  world_.advance(20 * ms);
  ASSERT_EQ(ended_.size(), 1u);
  ASSERT_FALSE(ended_[0].outcome);
  EXPECT_EQ(ended_[0].outcome.error().code, core::errc::deadline_exceeded);
  EXPECT_THAT(ended_[0].outcome.error().message, HasSubstr("1000 ms"));
}

TEST_F(Transfer, AsksAFullTransportAgainByItself) {
  let_a_peer_hold(1);
  fetcher_.most = 0;
  begin({2}, 1000 * ms);
  world_.advance(500 * ms);
  EXPECT_TRUE(fetcher_.asked.empty());
  fetcher_.most = 1;
  world_.advance(200 * ms);
  land();
  land();
  ASSERT_EQ(ended_.size(), 1u);
  EXPECT_TRUE(ended_[0].outcome) << ended_[0].outcome.error().message;
  EXPECT_FALSE(ended_[0].report.sources[0].failed);
}

TEST_F(Transfer, WaitsForAFullTransportNoLongerThanItsTimeout) {
  let_a_peer_hold(1);
  fetcher_.most = 0;
  begin({2}, 1000 * ms);
  world_.advance(1010 * ms);
  ASSERT_EQ(ended_.size(), 1u);
  EXPECT_EQ(ended_[0].outcome.error().code, core::errc::deadline_exceeded);
}

TEST_F(Transfer, AwaitsAnotherDevicesLoadForAWhileAndThenAsksTheStore) {
  holders_.expected = {shard(0)};
  stage_reply_.staged = true;
  begin({1});
  world_.advance(240 * ms);
  EXPECT_TRUE(staged_.empty());
  world_.advance(20 * ms);
  EXPECT_EQ(staged_, std::vector{shard(0)});
  land();
  ASSERT_EQ(ended_.size(), 1u);
  EXPECT_TRUE(ended_[0].outcome);
}

TEST_F(Transfer, ReadsFromWhomItHearsOfWhenItHasAwaitedALoadInVain) {
  holders_.expected = {shard(0)};
  begin({1});
  holders_.expected.clear();
  let_a_peer_hold(1);
  world_.advance(260 * ms);
  EXPECT_TRUE(staged_.empty());
  land();
  ASSERT_EQ(ended_.size(), 1u);
  EXPECT_TRUE(ended_[0].outcome);
}

TEST_F(Transfer, AsksTheDirectoryForOthersBeforeTheStore) {
  let_a_peer_hold(1);
  begin({1});
  let_a_peer_hold(1, "worker-2");
  land(99); // a lie
  EXPECT_TRUE(staged_.empty());
  ASSERT_FALSE(fetcher_.asked.empty());
  EXPECT_EQ(fetcher_.asked.back().node, "worker-2");
  EXPECT_EQ(told_.back(), (std::vector<std::string>{"worker-1/host0", "worker-2/host0"}));
  land();
  ASSERT_EQ(ended_.size(), 1u);
  EXPECT_TRUE(ended_[0].outcome);
}

TEST_F(Transfer, TakesTheFirstChunksOfAShardWhileTheStoreReadsTheRest) {
  store_waits_ = true;
  begin({3});
  EXPECT_TRUE(fetcher_.asked.empty());
  stage_progress first{{shard(0), 9, 1, 8192, 3 * chunk, 2}, "io_uring"};
  caf::anon_send(transfer_, first);
  world_.run();
  ASSERT_EQ(fetcher_.asked.size(), 2u);
  EXPECT_EQ(fetcher_.asked[1].request.source.offset_bytes, 8192 + chunk);
  land();
  land();
  EXPECT_TRUE(verified_.empty());
  EXPECT_EQ(staged_.size(), 1u) << "what is being read is not asked for again";
  stage_reply_.staged = true;
  stage_reply_.location = first.location;
  stage_reply_.location.chunks = shard_location::all_chunks;
  caf::anon_send(store_, stage_reply_);
  world_.run();
  land();
  EXPECT_EQ(released_, std::vector{shard(0)});
  ASSERT_EQ(ended_.size(), 1u);
  ASSERT_TRUE(ended_[0].outcome);
  ASSERT_EQ(ended_[0].report.sources.size(), 1u);
  EXPECT_EQ(ended_[0].report.sources[0].chunks, 3u);
  EXPECT_EQ(ended_[0].report.sources[0].path, "io_uring");
}

TEST_F(Transfer, TakesPartsFromTheDeviceWhoseLoadItWaitsFor) {
  holders_.expected = {shard(0)};
  begin({3});
  EXPECT_TRUE(fetcher_.asked.empty());
  const auto tell = [this](uint32_t chunks) {
    holder_list news;
    news.rows = {{{}, "worker-1/host0", {{shard(0), 7, 1, 0, 3 * chunk, chunks}}}};
    news.rows[0].peer.node = "worker-1";
    news.rows[0].peer.incarnation = 1;
    caf::anon_send(transfer_, news);
    world_.run();
  };
  tell(1);
  EXPECT_EQ(fetcher_.asked.size(), 1u);
  tell(1);
  EXPECT_EQ(fetcher_.asked.size(), 1u) << "no news";
  tell(2);
  EXPECT_EQ(fetcher_.asked.size(), 2u);
  land();
  land();
  EXPECT_TRUE(staged_.empty()) << "the rest is on its way";
  tell(shard_location::all_chunks);
  ASSERT_EQ(fetcher_.asked.size(), 1u);
  EXPECT_EQ(fetcher_.asked[0].node, "worker-1");
  land();
  ASSERT_EQ(ended_.size(), 1u);
  EXPECT_TRUE(ended_[0].outcome);
  EXPECT_EQ(ended_[0].report.sources.size(), 1u) << "it is one source all the while";
}

TEST_F(Transfer, GivesBackAtOnceWhatPeersHaveBroughtWhileTheStoreReadIt) {
  store_waits_ = true;
  begin({1, 1});
  let_a_peer_hold(1);
  caf::anon_send(transfer_, holders_);
  world_.run();
  land();
  EXPECT_EQ(verified_, std::vector<uint32_t>{0});
  EXPECT_TRUE(released_.empty()) << "the store still reads it";
  stage_reply_.staged = true;
  caf::anon_send(store_, stage_reply_);
  world_.run();
  EXPECT_EQ(released_, std::vector{shard(0)});
  land();
  ASSERT_EQ(ended_.size(), 1u);
  EXPECT_TRUE(ended_[0].outcome);
}

TEST_F(Transfer, EndsWithTheReasonWhenAnObjectIsDamagedBehindItsFirstChunks) {
  store_waits_ = true;
  begin({2});
  caf::anon_send(transfer_, stage_progress{{shard(0), 9, 1, 0, 2 * chunk, 1}, "io_uring"});
  world_.run();
  land();
  stage_reply_.error = "it is damaged in the store";
  caf::anon_send(store_, stage_reply_);
  world_.run();
  ASSERT_EQ(ended_.size(), 1u);
  ASSERT_FALSE(ended_[0].outcome);
  EXPECT_THAT(ended_[0].outcome.error().message, HasSubstr("it is damaged in the store"));
}

TEST_F(Transfer, SaysWhyTheStoreCouldNotHelp) {
  stage_reply_.error = "its object is damaged";
  begin({1});
  ASSERT_EQ(ended_.size(), 1u);
  ASSERT_FALSE(ended_[0].outcome);
  EXPECT_THAT(ended_[0].outcome.error().message, HasSubstr("its object is damaged"));
}

TEST_F(Transfer, KeepsASourceWhoseEarlierLifeIsDeclaredLostLate) {
  let_a_peer_hold(1, "worker-1", 2);
  begin({1});
  caf::anon_send(transfer_, node_lost{"worker-1", 1});
  world_.run();
  EXPECT_TRUE(staged_.empty());
  land();
  ASSERT_EQ(ended_.size(), 1u);
  EXPECT_TRUE(ended_[0].outcome);
  EXPECT_EQ(ended_[0].report.refetched_chunks, 0u);
}

TEST_F(Transfer, TakesFromTheNextLifeOfANodeThatWasLost) {
  for (const bool heard_of_the_end : {true, false}) {
    SCOPED_TRACE(heard_of_the_end);
    stage_reply_.error = "its object is damaged";
    let_a_peer_hold(1, "worker-1", 1);
    begin({2});
    store_waits_ = true;
    if (heard_of_the_end) caf::anon_send(transfer_, node_lost{"worker-1", 1});
    let_a_peer_hold(1, "worker-1", 2);
    caf::anon_send(transfer_, holders_);
    if (!heard_of_the_end) caf::anon_send(transfer_, node_lost{"worker-1", 1});
    world_.run();
    land();
    land();
    ASSERT_EQ(ended_.size(), 1u);
    EXPECT_TRUE(ended_[0].outcome) << ended_[0].outcome.error().message;
    EXPECT_EQ(ended_[0].report.sources.back().chunks, 2u) << "of its next life";
    ended_.clear();
    waiting_.clear();
    store_waits_ = false;
  }
}

TEST_F(Transfer, SaysAtOnceThatTheStoreCouldNotHelpAlthoughAPeerThatLiedIsListedAgain) {
  let_a_peer_hold(1);
  store_waits_ = true;
  begin({1});
  land(99);
  ASSERT_EQ(waiting_.size(), 1u);
  caf::anon_send(transfer_, holders_);
  world_.run();
  stage_reply_.error = "its object is damaged";
  caf::anon_send(store_, stage_reply_);
  world_.run();
  ASSERT_EQ(ended_.size(), 1u);
  ASSERT_FALSE(ended_[0].outcome);
  EXPECT_THAT(ended_[0].outcome.error().message, HasSubstr("its object is damaged"));
}

TEST_F(Transfer, AsksTheStoreWhenAPeerLies) {
  let_a_peer_hold(1);
  stage_reply_.staged = true;
  begin({1});
  EXPECT_TRUE(staged_.empty());
  land(99); // Not the checksum of the manifest, and nothing else is under way that would end.
  EXPECT_EQ(staged_, std::vector{shard(0)});
  land();
  ASSERT_EQ(ended_.size(), 1u);
  EXPECT_TRUE(ended_[0].outcome);
  EXPECT_EQ(ended_[0].report.bad_chunks, 1u);
}

TEST_F(Transfer, TellsTheStoreOfWrongBytesAheadOfAskingItAgain) {
  stage_reply_.staged = stage_reply_.was_cached = true;
  stage_reply_.location = {shard(0), 0, 4, 8192, chunk};
  begin({1});
  land(99);
  ASSERT_EQ(doubted_.size(), 1u);
  EXPECT_EQ(doubted_[0].copy.shard, shard(0));
  EXPECT_EQ(doubted_[0].copy.region, 1u);
  EXPECT_EQ(doubted_[0].copy.generation, 4u);
  EXPECT_EQ(doubted_[0].copy.offset_bytes, 8192u);
  EXPECT_EQ(doubted_[0].noticed_by, "worker-0/host0");
  EXPECT_EQ(doubted_[0].found, 99u);
  EXPECT_EQ(doubted_[0].expected, 0u);
  EXPECT_EQ(staged_before_doubts_, std::vector<size_t>{1}) << "the store looks at it before it is asked again";
  EXPECT_EQ(staged_.size(), 2u);
  land();
  ASSERT_EQ(ended_.size(), 1u);
  EXPECT_TRUE(ended_[0].outcome) << ended_[0].outcome.error().message;
  EXPECT_EQ(ended_[0].report.bad_chunks, 1u);
}

TEST_F(Transfer, TellsADeviceThatGaveWrongBytes) {
  let_a_peer_hold(1);
  stage_reply_.staged = true;
  begin({1});
  land(99);
  EXPECT_EQ(doubted_devices_, std::vector<std::string>{"worker-1/host0"});
  ASSERT_EQ(doubted_.size(), 1u);
  EXPECT_EQ(doubted_[0].copy.shard, shard(0));
  EXPECT_EQ(doubted_[0].found, 99u);
  land();
  ASSERT_EQ(ended_.size(), 1u);
  EXPECT_TRUE(ended_[0].outcome) << ended_[0].outcome.error().message;
}

TEST_F(Transfer, SurvivesACacheInWhichEveryShardIsDamaged) {
  stage_reply_.staged = stage_reply_.was_cached = true;
  begin({1, 1, 1, 1, 1, 1, 1, 1});
  std::set<uint64_t> damaged = {1, 2, 3, 4, 5, 6, 7, 8};
  size_t most_chunks = 100;
  while (ended_.empty() && most_chunks-- > 0)
    land(damaged.erase(fetcher_.asked.front().request.source.region) > 0 ? 99 : 0);
  EXPECT_EQ(doubted_.size(), 8u);
  ASSERT_EQ(ended_.size(), 1u);
  EXPECT_TRUE(ended_[0].outcome) << ended_[0].outcome.error().message;
}

TEST_F(Transfer, GivesUpOnAStoreWhoseBytesStayWrong) {
  stage_reply_.staged = stage_reply_.was_cached = true;
  begin({1});
  size_t most_chunks = 100;
  while (ended_.empty() && most_chunks-- > 0) land(99);
  ASSERT_EQ(ended_.size(), 1u);
  ASSERT_FALSE(ended_[0].outcome);
  EXPECT_EQ(doubted_.size(), policy::staging_options().most_attempts);
}

} // namespace
} // namespace fastptm::actors
