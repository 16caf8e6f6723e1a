// One device and the orders it gets: where sets lie, what waits for what, what is left when something fails.
#include "actors/device/gpu_worker.hpp"

#include <gmock/gmock.h>

#include "actors/actor_from_state.hpp"
#include "actors/deterministic_system.hpp"
#include "engine/batch_runner.hpp"
#include "gpu/host/device.hpp"
#include "tests/support/manual_fetcher.hpp"
#include "tests/support/recording_actors.hpp"
#include "tests/support/weight_sets.hpp"

namespace fastptm::actors {
namespace {

using namespace protocol;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint64_t gap_bytes = 4096;
constexpr registration_id first_life{7};

// The shards of a set one after the other, with a hole behind each.
std::vector<uint64_t> places_from(uint64_t offset_bytes, const weights::manifest& set) {
  std::vector<uint64_t> places;
  for (const auto& shard : set.shards) {
    places.push_back(offset_bytes);
    offset_bytes += shard.size_bytes + gap_bytes;
  }
  return places;
}

uint64_t bytes_of(const weights::manifest& set) {
  uint64_t bytes = 0;
  for (const auto& shard : set.shards) bytes += shard.size_bytes;
  return bytes;
}

// A test double: a batch computes until the test says how it was.
class held_runner final : public engine::batch_runner {
public:
  core::result<void> submit(engine::run_request, engine::run_done done) override {
    runs.push_back(std::move(done));
    return {};
  }
  std::deque<engine::run_done> runs;
};

class GpuWorker : public testing::Test {
protected:
  using load_answer = std::optional<core::result<load_reply>>;

  GpuWorker() {
    environment_.fetcher_to = [this](const transport::peer_address&) { return &fetcher_; };
    environment_.exporter = &exports_;
    environment_.checker = &checker_;
    environment_.scrubber = &scrubber_;
    environment_.clock = &world_.clock();
    // All that a device and its transfers say to them.
    directory_ = world_.system().spawn([this](caf::event_based_actor*) -> caf::behavior {
      return {[](registration_id, const locate_request&) { return holder_list(); },
              [](registration_id, const running_load&) {},
              [this](const holdings_added& added) {
                held_.insert(held_.end(), added.shards.begin(), added.shards.end());
                ++held_messages_;
              },
              [this](const holdings_dropped& gone) {
                dropped_.insert(dropped_.end(), gone.shards.begin(), gone.shards.end());
              },
              [this](registration_id, const load_report& report) { reports_.push_back(report); },
              [this](registration_id registration, const device_row& row) { rows_.emplace_back(registration, row); }};
    });
    store_ = world_.system().spawn([](caf::event_based_actor*) -> caf::behavior {
      return {[](const stage_request&) {
                stage_reply reply;
                reply.staged = true;
                return reply;
              },
              [](release_atom, const core::digest&) {}};
    });
    worker_ = world_.system().spawn<actor_from_state<gpu_worker>>(
        gpu_worker_options{"worker-0/host0", device_.get(), &runner_, &environment_});
    attach(first_life);
  }
  ~GpuWorker() override {
    caf::anon_send(worker_, stop_atom_v);
    world_.run();
    while (!fetcher_.asked.empty()) land();
    for (const auto& one : {directory_, store_}) caf::anon_send_exit(one, caf::exit_reason::kill);
    world_.run();
  }

  void attach(registration_id registration) {
    attach_order order;
    order.registration = registration;
    order.directory = caf::actor_cast<directory_actor>(directory_);
    order.weight_store = caf::actor_cast<weight_store_actor>(store_);
    order.store.node = "head";
    caf::anon_send(worker_, order);
    world_.run();
  }

  // The answer of a load comes when it comes: it is kept by the number of the load.
  void order_load(uint64_t load, uint64_t model, const weights::manifest& set, std::vector<uint64_t> places,
                  const std::string& tenant = "acme") {
    load_order order;
    order.registration = first_life;
    order.load = {load};
    order.model = {model};
    order.name = tenant + "/m@" + std::to_string(model);
    order.manifest = to_payload(weights::encode(set));
    order.manifest_digest = published_ == core::digest() ? weights::digest_of(set) : published_;
    order.timeout_us = 1'000'000;
    order.offsets_bytes = std::move(places);
    world_.system().spawn([this, load, order](caf::event_based_actor* self) {
      self->request(worker_, caf::infinite, order)
          .then([this, load](const load_reply& reply) { answers_[load] = reply; },
                [this, load](const caf::error& why) { answers_[load] = core::fail(from_caf(why)); });
    });
    world_.run();
  }

  void order_evict(uint64_t model) {
    world_.system().spawn([this, model](caf::event_based_actor* self) {
      self->request(worker_, caf::infinite, evict_order{first_life, {model}})
          .then([this](uint64_t bytes) { freed_.push_back(bytes); },
                [](const caf::error& why) { ADD_FAILURE() << from_caf(why).message; });
    });
    world_.run();
  }

  void order_run(uint64_t batch, uint64_t model) {
    world_.system().spawn([this, batch, model](caf::event_based_actor* self) {
      self->request(worker_, caf::infinite, run_order{first_life, {batch}, {model}, 0, 1'000'000})
          .then([](const run_reply&) {}, [](const caf::error& why) { ADD_FAILURE() << from_caf(why).message; });
    });
    world_.run();
  }
  // The oldest one, which has computed until now but for what it waited.
  void end_run(core::time_us began_us, core::duration_us waited_us = 0) {
    engine::run_result result;
    result.rows.emplace_back();
    result.began_us = began_us;
    result.run_us = world_.clock().now_us() - began_us;
    result.waited_us = waited_us;
    result.first_layer_at_us = began_us + waited_us;
    const auto done = std::move(runner_.runs.front());
    runner_.runs.pop_front();
    done(std::move(result));
    world_.run();
  }
  int64_t spent_on(std::string_view stage) const {
    int64_t sum_us = 0;
    for (const auto& each : reports_.back().stages)
      if (each.name == stage) sum_us += each.end_us - each.start_us;
    return sum_us;
  }

  void land() {
    fetcher_.land();
    world_.run();
  }
  void land_all() {
    while (!fetcher_.asked.empty()) land();
  }
  void load(uint64_t number, uint64_t model, const weights::manifest& set, const std::vector<uint64_t>& places) {
    order_load(number, model, set, places);
    land_all();
    ASSERT_TRUE(answers_.contains(number) && answers_[number]->has_value()) << "load " << number;
  }

  // By value: it is not held any more then.
  void damage(shard_location shard) {
    scrubber_.suspect({shard.region, shard.generation});
    scrubber_.check();
    world_.run();
  }

  uint64_t used_bytes() { return device_->memory().used_bytes(); }
  std::vector<std::string> resident() const { return rows_.back().second.resident; }
  core::errc code_of(uint64_t load) {
    if (!answers_.contains(load) || answers_[load]->has_value()) return core::errc::internal;
    return answers_[load]->error().code;
  }

  const weights::manifest a_ = tests::set_of(tests::tiny_shape, 1), b_ = tests::set_of(tests::tiny_shape, 2);
  actors::deterministic_system world_;
  tests::manual_fetcher fetcher_;
  transport::exporter exports_;
  weights::verifier checker_{0};
  weights::scrubber scrubber_{{.bytes_per_s = 0}, exports_, world_.clock()}; // looks when the test says so
  loading_environment environment_;
  std::unique_ptr<gpu::device> device_ =
      gpu::host::make_host_device({"host0", 16 << 20, 1}, gpu::host::best_isa()).value();
  held_runner runner_;
  caf::actor directory_, store_;
  gpu_worker_actor worker_;
  std::vector<std::pair<registration_id, device_row>> rows_;
  std::vector<load_report> reports_;
  std::vector<shard_location> held_; // in the order in which they were told
  size_t held_messages_ = 0;         // in which they came
  std::vector<core::digest> dropped_;
  std::map<uint64_t, load_answer> answers_;
  std::vector<uint64_t> freed_;
  core::digest published_; // that orders name; none: the right one
};

TEST_F(GpuWorker, LoadsASetToThePlacesOfItsOrder) {
  const auto places = places_from(12 * gap_bytes, a_);
  order_load(1, 5, a_, places);
  ASSERT_EQ(fetcher_.asked.size(), a_.shards.size());
  for (size_t i = 0; i < places.size(); ++i)
    EXPECT_EQ(fetcher_.asked[i].request.target.address, device_->memory().slab().address + places[i]) << "shard " << i;
  EXPECT_FALSE(answers_.contains(1));
  land_all();
  ASSERT_TRUE(answers_.contains(1));
  EXPECT_TRUE(*answers_[1]);
  EXPECT_THAT(resident(), ElementsAre("acme/m@5"));
  EXPECT_THAT(rows_.back().second.offsets_bytes, ElementsAre(places));
  EXPECT_EQ(used_bytes(), bytes_of(a_));
}

TEST_F(GpuWorker, FetchesOnlyWhatNoSetThatItHasBrought) {
  const auto places = places_from(0, a_);
  load(1, 5, a_, places);
  order_load(2, 6, a_, places);
  EXPECT_THAT(fetcher_.asked, IsEmpty());
  ASSERT_TRUE(answers_.contains(2));
  EXPECT_EQ(used_bytes(), bytes_of(a_));
  order_evict(5);
  EXPECT_THAT(freed_, ElementsAre(0u)) << "the other one has all of it";
  order_evict(6);
  EXPECT_THAT(freed_, ElementsAre(0u, bytes_of(a_)));
  EXPECT_EQ(used_bytes(), 0u);
}

TEST_F(GpuWorker, TellsTheFirstShardAtOnceAndWhatFollowsCloselyTogether) {
  const auto shards = a_.shards.size();
  ASSERT_GE(shards, 3u);
  order_load(1, 5, a_, places_from(0, a_));
  for (size_t i = 0; i + 1 < shards; ++i) land();
  EXPECT_EQ(held_.size(), 1u) << "a chain of loads waits for it";
  world_.advance(10'000);
  EXPECT_EQ(held_.size(), shards - 1);
  EXPECT_EQ(held_messages_, 2u);
  land();
  EXPECT_EQ(held_.size(), shards) << "the load has ended";
}

TEST_F(GpuWorker, LetsOthersReadTheFirstChunksOfAShardUnderTheNameThatAllOfItWillHave) {
  auto shape = tests::tiny_shape;
  shape.vocabulary = 40 << 10; // its embeddings take three chunks
  const auto large = tests::set_of(shape, 1);
  ASSERT_EQ(large.shards[0].chunk_checksums.size(), 3u);
  order_load(1, 5, large, places_from(0, large));
  land();
  ASSERT_EQ(held_.size(), 1u);
  EXPECT_EQ(held_[0].chunks, 1u);
  const transport::remote_range range{held_[0].region, held_[0].generation, 0, 4 << 20};
  EXPECT_TRUE(exports_.pin(range));
  exports_.unpin(range);
  land();
  world_.advance(10'000);
  EXPECT_EQ(held_.back().chunks, 2u);
  land_all();
  world_.advance(10'000);
  const auto whole =
      std::ranges::find_if(held_, [&](const auto& one) { return one.shard == held_[0].shard && one.is_whole(); });
  ASSERT_NE(whole, held_.end());
  EXPECT_EQ(whole->region, held_[0].region);
  EXPECT_EQ(whole->generation, held_[0].generation);
}

TEST_F(GpuWorker, TakesBackThePartsOfALoadThatIsGivenUp) {
  auto shape = tests::tiny_shape;
  shape.vocabulary = 40 << 10;
  const auto large = tests::set_of(shape, 1);
  order_load(1, 5, large, places_from(0, large));
  land();
  ASSERT_EQ(held_.size(), 1u);
  caf::anon_send(worker_, cancel_atom_v, core::load_id{1});
  world_.run();
  EXPECT_THAT(dropped_, ElementsAre(held_[0].shard));
  EXPECT_FALSE(exports_.pin({held_[0].region, held_[0].generation, 0, 4096}));
  EXPECT_EQ(used_bytes(), 0u);
}

TEST_F(GpuWorker, TellsWhatIsSharedWithOtherTenantsApart) {
  const auto places = places_from(0, a_);
  load(1, 5, a_, places);
  order_load(2, 6, a_, places, "globex");
  order_load(3, 7, a_, places, "globex");
  ASSERT_EQ(reports_.size(), 3u);
  ASSERT_EQ(reports_[1].sources.size(), 1u);
  EXPECT_EQ(reports_[1].sources[0].path, "others");
  EXPECT_EQ(reports_[1].sources[0].bytes, bytes_of(a_));
  EXPECT_GT(reports_[1].sources[0].chunks, 0u);
  ASSERT_EQ(reports_[2].sources.size(), 1u);
  EXPECT_EQ(reports_[2].sources[0].path, "") << "globex has one of its own there";
}

TEST_F(GpuWorker, TellsWhatALoadWaitedForAheadOfItsTransfer) {
  const auto places = places_from(0, a_);
  load(1, 5, a_, places);
  const auto& read = held_.front();
  const transport::remote_range range{read.region, read.generation, 0, 4096};
  ASSERT_TRUE(exports_.pin(range));
  order_load(2, 6, b_, places_from(1 << 20, b_));
  order_evict(5);
  order_load(3, 5, a_, places);
  world_.advance(20'000);
  land_all(); // the load ahead of it
  world_.advance(30'000);
  exports_.unpin(range);
  world_.run();
  world_.advance(5'000);
  land_all();
  ASSERT_EQ(reports_.back().id.value, 3u);
  EXPECT_EQ(spent_on("queue"), 20'000);
  EXPECT_EQ(spent_on("evict"), 30'000);
  EXPECT_EQ(spent_on("fetch"), 5'000);
  EXPECT_EQ(reports_.back().wall_us, 55'000);
  EXPECT_EQ(reports_.back().critical, "evict");
}

TEST_F(GpuWorker, TellsHowMuchOfALoadWasHiddenBehindBatchesOfOthers) {
  load(1, 5, a_, places_from(0, a_));
  order_run(1, 5);
  const auto began_us = world_.clock().now_us();
  world_.advance(10'000);
  order_load(2, 6, b_, places_from(1 << 20, b_));
  world_.advance(30'000);
  end_run(began_us);
  world_.advance(50'000);
  order_run(2, 5); // which is not over when the load is
  world_.advance(20'000);
  land_all();
  ASSERT_EQ(reports_.back().id.value, 2u);
  EXPECT_EQ(reports_.back().wall_us, 100'000);
  EXPECT_EQ(reports_.back().hidden_ppm, 500'000u);
  end_run(world_.clock().now_us());
}

TEST_F(GpuWorker, TellsHowMuchOfALoadWasHiddenBehindItsOwnLayers) {
  order_load(1, 5, a_, places_from(0, a_));
  order_run(1, 5);
  const auto began_us = world_.clock().now_us();
  world_.advance(40'000);
  land_all();
  EXPECT_TRUE(reports_.empty()) << "its first result is the end of the story";
  world_.advance(10'000);
  end_run(began_us, 30'000);
  ASSERT_EQ(reports_.size(), 1u);
  EXPECT_EQ(reports_.back().wall_us, 40'000);
  EXPECT_EQ(reports_.back().hidden_ppm, 250'000u);
  EXPECT_EQ(reports_.back().stages.back().name, "first_result");
  EXPECT_EQ(reports_.back().stages.back().start_us, 50'000);
}

TEST_F(GpuWorker, RefusesAPlaceThatIsNotFreeAndKeepsNothingOfTheSet) {
  load(1, 5, a_, places_from(0, a_));
  auto places = places_from(bytes_of(a_) + a_.shards.size() * gap_bytes, b_);
  places.back() = 0;
  order_load(2, 6, b_, places);
  EXPECT_EQ(code_of(2), core::errc::does_not_fit);
  EXPECT_EQ(used_bytes(), bytes_of(a_));
  EXPECT_THAT(resident(), ElementsAre("acme/m@5"));
}

TEST_F(GpuWorker, RefusesASharedShardThatIsPlannedElsewhere) {
  load(1, 5, a_, places_from(0, a_));
  order_load(2, 6, a_, places_from(gap_bytes, a_));
  EXPECT_EQ(code_of(2), core::errc::does_not_fit);
  EXPECT_EQ(used_bytes(), bytes_of(a_));
}

TEST_F(GpuWorker, RefusesAnOrderWithoutAPlaceForEveryShard) {
  auto places = places_from(0, a_);
  places.pop_back();
  order_load(1, 5, a_, places);
  ASSERT_TRUE(answers_.contains(1));
  ASSERT_FALSE(*answers_[1]);
  EXPECT_THAT(answers_[1]->error().message, HasSubstr("one place for every shard"));
}

TEST_F(GpuWorker, LoadsNothingByAManifestThatIsNotTheOneThatWasPublished) {
  published_ = weights::digest_of(b_);
  order_load(1, 5, a_, places_from(0, a_));
  EXPECT_EQ(code_of(1), core::errc::corrupt);
  EXPECT_THAT(answers_[1]->error().message, HasSubstr("acme/m@5: the manifest that came"));
  EXPECT_TRUE(fetcher_.asked.empty());
  EXPECT_EQ(used_bytes(), 0u);
  published_ = weights::digest_of(a_);
  load(2, 5, a_, places_from(0, a_));
  EXPECT_THAT(resident(), ElementsAre("acme/m@5"));
}

// The scheduler orders both at once and needs no answer in between.
TEST_F(GpuWorker, BeginsALoadWhenWhatLeavesHasBeenReadByEverybody) {
  const auto places = places_from(0, a_);
  load(1, 5, a_, places);
  const auto& read = held_.front();
  const transport::remote_range range{read.region, read.generation, 0, 4096};
  ASSERT_TRUE(exports_.pin(range));
  order_evict(5);
  order_load(2, 6, b_, places);
  EXPECT_THAT(fetcher_.asked, IsEmpty()) << "a peer still reads there";
  exports_.unpin(range);
  world_.run();
  EXPECT_THAT(freed_, ElementsAre(bytes_of(a_)));
  land_all();
  ASSERT_TRUE(answers_.contains(2));
  EXPECT_TRUE(*answers_[2]);
}

TEST_F(GpuWorker, LoadsOneSetAfterTheOther) {
  order_load(1, 5, a_, places_from(0, a_));
  order_load(2, 6, b_, places_from(1 << 20, b_));
  EXPECT_EQ(fetcher_.asked.size(), a_.shards.size());
  for (size_t i = 0; i < a_.shards.size(); ++i) land();
  EXPECT_TRUE(answers_.contains(1));
  EXPECT_EQ(fetcher_.asked.size(), b_.shards.size());
  land_all();
  EXPECT_THAT(resident(), ElementsAre("acme/m@5", "acme/m@6"));
}

TEST_F(GpuWorker, FreesTheBytesOfALoadThatIsCancelled) {
  order_load(1, 5, a_, places_from(0, a_));
  land();
  caf::anon_send(worker_, cancel_atom_v, core::load_id{1});
  world_.run();
  EXPECT_EQ(code_of(1), core::errc::cancelled);
  EXPECT_THAT(fetcher_.asked, IsEmpty());
  EXPECT_EQ(used_bytes(), 0u);
}

TEST_F(GpuWorker, DropsACancelledLoadThatHasNotBegun) {
  order_load(1, 5, a_, places_from(0, a_));
  order_load(2, 6, b_, places_from(1 << 20, b_));
  caf::anon_send(worker_, cancel_atom_v, core::load_id{2});
  world_.run();
  EXPECT_EQ(code_of(2), core::errc::cancelled);
  land_all();
  EXPECT_THAT(resident(), ElementsAre("acme/m@5"));
}

// Its answer and the cancel have crossed: nobody plans with the set.
TEST_F(GpuWorker, GivesUpASetWhoseLoadIsCancelledAfterItsEnd) {
  load(1, 5, a_, places_from(0, a_));
  caf::anon_send(worker_, cancel_atom_v, core::load_id{1});
  world_.run();
  EXPECT_THAT(resident(), IsEmpty());
  EXPECT_EQ(used_bytes(), 0u);
}

// A head that has died counts its loads from one again, and knows this set from the device's own report.
TEST_F(GpuWorker, KeepsASetOfAnEarlierRegistrationWhenALoadOfThatNumberIsCancelled) {
  load(1, 5, a_, places_from(0, a_));
  attach({8});
  caf::anon_send(worker_, cancel_atom_v, core::load_id{1});
  world_.run();
  EXPECT_THAT(resident(), ElementsAre("acme/m@5"));
  EXPECT_EQ(used_bytes(), bytes_of(a_));
}

TEST_F(GpuWorker, LoadsASetAnewThatItsSchedulerDoesNotKnowItHas) {
  load(1, 5, a_, places_from(0, a_));
  const auto elsewhere = places_from(1 << 20, a_);
  order_load(2, 5, a_, elsewhere);
  EXPECT_EQ(fetcher_.asked.size(), a_.shards.size());
  land_all();
  ASSERT_TRUE(answers_.contains(2));
  EXPECT_TRUE(*answers_[2]);
  EXPECT_THAT(rows_.back().second.offsets_bytes, ElementsAre(elsewhere));
  EXPECT_EQ(used_bytes(), bytes_of(a_));
}

TEST_F(GpuWorker, SaysWhyALoadFailedAndFreesItsBytes) {
  order_load(1, 5, a_, places_from(0, a_));
  for (int i = 0; i < 1100 && !answers_.contains(1); ++i) world_.advance(1000);
  EXPECT_EQ(code_of(1), core::errc::deadline_exceeded);
  EXPECT_EQ(used_bytes(), 0u);
  ASSERT_EQ(reports_.size(), 1u);
  EXPECT_FALSE(reports_[0].ok());
}

TEST_F(GpuWorker, TellsWhereItsSetsLieWhenItsNodeJoinsAgain) {
  const auto places = places_from(0, a_);
  load(1, 5, a_, places);
  order_load(2, 6, b_, places_from(1 << 20, b_));
  held_.clear();
  attach({8});
  EXPECT_EQ(code_of(2), core::errc::cancelled) << "of the life before";
  EXPECT_EQ(rows_.back().first.value, 8u);
  EXPECT_THAT(resident(), ElementsAre("acme/m@5"));
  EXPECT_THAT(rows_.back().second.offsets_bytes, ElementsAre(places));
  EXPECT_EQ(held_.size(), a_.shards.size());
  order_load(3, 6, b_, places_from(1 << 20, b_));
  EXPECT_EQ(code_of(3), core::errc::unavailable) << "an order of the life before";
}

TEST_F(GpuWorker, RefusesARunOnASetThatItDoesNotHave) {
  caf::scoped_actor asker(world_.system());
  auto answer = asker->request(worker_, caf::infinite, run_order{first_life, {1}, {5}, 0, 1'000'000});
  world_.run();
  answer.receive([](const run_reply&) { ADD_FAILURE(); },
                 [](const caf::error& why) { EXPECT_EQ(from_caf(why).code, core::errc::unavailable); });
}

// The transports of this test write nothing: to the scrubber every shard is damaged as soon as it looks.
TEST_F(GpuWorker, LoadsADamagedShardAnewToItsPlace) {
  const auto places = places_from(0, a_);
  load(1, 5, a_, places);
  const auto damaged = held_.at(1);
  damage(damaged);
  EXPECT_THAT(dropped_, ElementsAre(damaged.shard)) << "nobody reads it any more";
  EXPECT_FALSE(exports_.pin({damaged.region, damaged.generation, 0, 4096}));
  ASSERT_EQ(fetcher_.asked.size(), 1u);
  EXPECT_EQ(fetcher_.asked[0].request.target.address, device_->memory().slab().address + places[1]);
  held_.clear();
  land();
  ASSERT_EQ(held_.size(), 1u) << "and now they may again";
  EXPECT_EQ(held_[0].shard, damaged.shard);
  EXPECT_NE(held_[0].region, damaged.region);
  EXPECT_THAT(resident(), ElementsAre("acme/m@5"));
  EXPECT_EQ(rows_.back().second.damaged_shards, 1u);
  EXPECT_EQ(rows_.back().second.repaired_shards, 1u);
  order_evict(5);
  EXPECT_EQ(used_bytes(), 0u);
}

TEST_F(GpuWorker, LooksAtACopyThatAPeerDoubts) {
  load(1, 5, a_, places_from(0, a_));
  suspect doubted;
  doubted.copy = held_[0];
  ++doubted.copy.region;
  caf::anon_send(worker_, doubted);
  world_.run();
  scrubber_.check();
  world_.run();
  EXPECT_THAT(dropped_, IsEmpty()) << "it was another copy";
  --doubted.copy.region;
  caf::anon_send(worker_, doubted);
  world_.run();
  scrubber_.check();
  world_.run();
  EXPECT_THAT(dropped_, ElementsAre(doubted.copy.shard));
}

TEST_F(GpuWorker, WritesNothingWhereAPeerStillReads) {
  load(1, 5, a_, places_from(0, a_));
  const transport::remote_range range{held_[0].region, held_[0].generation, 0, 4096};
  ASSERT_TRUE(exports_.pin(range));
  damage(held_[0]);
  EXPECT_THAT(fetcher_.asked, IsEmpty());
  exports_.unpin(range);
  world_.run();
  EXPECT_EQ(fetcher_.asked.size(), 1u);
}

TEST_F(GpuWorker, RepairsAllDamagedShardsOfASetAtOnceAndLoadsAfterwards) {
  load(1, 5, a_, places_from(0, a_));
  for (const auto& shard : std::vector(held_)) scrubber_.suspect({shard.region, shard.generation});
  for (size_t i = 0; i < a_.shards.size(); ++i) scrubber_.check();
  world_.run();
  order_load(2, 6, b_, places_from(1 << 20, b_));
  EXPECT_EQ(fetcher_.asked.size(), 1u) << "one shard was found first and is on its way";
  for (size_t landed = 0; landed < a_.shards.size(); ++landed) {
    EXPECT_FALSE(answers_.contains(2));
    land();
  }
  EXPECT_EQ(fetcher_.asked.size(), b_.shards.size());
  land_all();
  EXPECT_THAT(resident(), ElementsAre("acme/m@5", "acme/m@6"));
}

TEST_F(GpuWorker, AsksAgainForAShardThatNobodyCouldGive) {
  load(1, 5, a_, places_from(0, a_));
  damage(held_[0]);
  ASSERT_EQ(fetcher_.asked.size(), 1u);
  for (int i = 0; i < 1200 && !fetcher_.asked.empty(); ++i) world_.advance(1000); // its patience is a second
  EXPECT_THAT(fetcher_.asked, IsEmpty());
  EXPECT_THAT(resident(), ElementsAre("acme/m@5"));
  for (int i = 0; i < 1000 && fetcher_.asked.empty(); ++i) world_.advance(1000);
  ASSERT_EQ(fetcher_.asked.size(), 1u);
  land();
  EXPECT_EQ(rows_.back().second.repaired_shards, 1u);
}

TEST_F(GpuWorker, GivesUpARepairWhoseSetIsEvictedBeforeItsPlaceIsFree) {
  const auto places = places_from(0, a_);
  load(1, 5, a_, places);
  damage(held_[0]);
  order_evict(5);
  EXPECT_THAT(fetcher_.asked, IsEmpty()) << "cancelled";
  EXPECT_EQ(used_bytes(), 0u);
  load(2, 6, b_, places);
  EXPECT_THAT(resident(), ElementsAre("acme/m@6"));
}

TEST_F(GpuWorker, RepairsAShardOfTwoSetsForTheOneThatStays) {
  const auto places = places_from(0, a_);
  load(1, 5, a_, places);
  order_load(2, 6, a_, places);
  damage(held_[0]);
  order_evict(5);
  land_all();
  EXPECT_THAT(resident(), ElementsAre("acme/m@6"));
  EXPECT_EQ(rows_.back().second.repaired_shards, 1u);
  order_evict(6);
  EXPECT_EQ(used_bytes(), 0u);
}

TEST_F(GpuWorker, EndsInTheMiddleOfARepair) {
  load(1, 5, a_, places_from(0, a_));
  damage(held_[0]);
  caf::anon_send(worker_, stop_atom_v);
  world_.run();
  EXPECT_THAT(fetcher_.asked, IsEmpty());
  EXPECT_EQ(used_bytes(), 0u);
}

TEST_F(GpuWorker, EndsWhenItHasGivenEverythingBack) {
  load(1, 5, a_, places_from(0, a_));
  order_load(2, 6, b_, places_from(1 << 20, b_));
  caf::anon_send(worker_, stop_atom_v);
  world_.run();
  EXPECT_EQ(code_of(2), core::errc::unavailable);
  EXPECT_EQ(used_bytes(), 0u);
}

} // namespace
} // namespace fastptm::actors
