// What is published is announced, staged for who loads it and freed when nobody needs it, with real disk and time.
#include "actors/store/weight_store.hpp"

#include <gmock/gmock.h>

#include "actors/actor_from_state.hpp"
#include "actors/system_config.hpp"
#include "protocol/errors.hpp"
#include "tests/support/recording_actors.hpp"
#include "tests/support/temporary_folder.hpp"
#include "weights/import/synthetic.hpp"
#include "weights/store/disk_reader.hpp"

namespace fastptm::actors {
namespace {

using namespace protocol;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr auto patience = std::chrono::seconds(30);
constexpr uint64_t cache_bytes = 8 << 20;
constexpr uint32_t large_vocabulary = 40 << 10;

// A disk that tells of every object's first chunk before its end.
class telling_reader final : public weights::object_reader {
public:
  explicit telling_reader(object_reader& disk) : disk_(disk) {}
  core::result<void> submit(weights::disk_read what, std::function<void(weights::disk_read_result)> done) override {
    return disk_.submit({what.file, what.target, what.chunk_checksums, {}},
                        [progress = what.progress, done = std::move(done)](weights::disk_read_result result) {
                          progress(1);
                          done(std::move(result));
                        });
  }
  core::result<void> check_again(core::memory_region target, std::vector<uint64_t> chunk_checksums,
                                 std::function<void(weights::disk_read_result)> done) override {
    return disk_.check_again(target, std::move(chunk_checksums), std::move(done));
  }
  std::string_view path() const override { return disk_.path(); }

private:
  object_reader& disk_;
};

class WeightStore : public testing::Test {
protected:
  explicit WeightStore(bool tells_of_parts = false) {
    disk_ = std::make_unique<weights::disk_reader>();
    telling_ = std::make_unique<telling_reader>(*disk_);
    auto& by = tells_of_parts ? static_cast<weights::object_reader&>(*telling_) : *disk_;
    cache_ = weights::host_cache::create(cache_bytes, by).value();
    scheduler_ = system_.spawn<actor_from_state<tests::recording_scheduler>>(&told_);
    start();
  }
  void start() {
    weight_store_options options;
    options.store = &objects_;
    options.catalogue = &catalogue_;
    options.cache = cache_.get();
    options.slab = {3, 4};
    options.metrics = &metrics_;
    options.scheduler = scheduler_;
    options.tenants = {{"acme", {}, 2}, {"globex", {}, 2}};
    store_ = system_.spawn<actor_from_state<weight_store>>(options);
  }
  ~WeightStore() override {
    caf::anon_send(store_, stop_atom_v);
    caf::anon_send(scheduler_, stop_atom_v);
  }

  // As one of several who ask: each holds what was staged for it.
  template <class R, class... Xs> core::result<R> ask(caf::scoped_actor& as, Xs&&... xs) {
    core::result<R> result;
    as->request(store_, patience, std::forward<Xs>(xs)...)
        .receive([&](R& value) { result = std::move(value); },
                 [&](caf::error& failure) { result = core::fail(from_caf(failure)); });
    return result;
  }

  core::result<publication> publish(const std::string& name, uint64_t seed, uint32_t vocabulary = 256,
                                    const std::string& tenant = "acme") {
    auto shape = weights::synthetic_shape_named("tiny").value();
    shape.vocabulary = vocabulary;
    const auto folder = folder_ / name;
    EXPECT_TRUE(weights::write_synthetic_model(folder, shape, seed));
    return ask<publication>(client_, publish_request{tenant, name, folder.string()});
  }
  // The first shard: embeddings.
  stage_request staging_of(const std::string& model) {
    const auto models = ask<model_list>(client_, list_atom_v).value();
    for (const auto& row : models.rows)
      if (row.name == model) return {row.manifest, objects_.read_manifest(row.manifest)->shards.front().digest};
    ADD_FAILURE() << model << " is not published";
    return {};
  }
  static void flip_a_byte_of(const std::filesystem::path& file) {
    auto bytes = tests::read_file(file);
    bytes[std::min<size_t>(5000, bytes.size() / 2)] ^= 1;
    tests::write_file(file, bytes);
  }
  // As a transfer says it that has read this copy.
  static suspect doubt_of(const stage_reply& copy) { return {copy.location, "worker-0/host0", 0, 1, 2}; }
  std::byte& byte_of(const stage_reply& copy) {
    return cache_->slab().memory.address[copy.location.offset_bytes + copy.location.size_bytes / 2];
  }
  uint64_t damaged(const std::string& where) {
    return metrics_.make_counter("fastptm_damaged_shards_total", "", "where=\"" + where + "\"").value();
  }
  // What the scheduler was told before the last answer of the store.
  std::vector<std::string> announced() {
    client_->request(scheduler_, patience, plans_atom_v)
        .receive([](const plan_list&) {}, [](const caf::error& why) { ADD_FAILURE() << from_caf(why).message; });
    return told_.published;
  }

  tests::temporary_folder folder_;
  weights::content_store objects_ = weights::content_store::open(folder_ / "store").value();
  weights::catalogue catalogue_ = weights::catalogue::open(folder_ / "catalogue.sqlite").value();
  std::unique_ptr<telling_reader> telling_; // by disk_
  std::unique_ptr<weights::host_cache> cache_;
  std::unique_ptr<weights::disk_reader> disk_; // ends before the cache
  core::metrics_registry metrics_;
  tests::scheduler_record told_;
  system_config settings_{2};
  caf::actor_system system_{settings_}; // waits for its actors, so that what they use ends after it
  scheduler_actor scheduler_;
  weight_store_actor store_;
  caf::scoped_actor client_{system_};
};

TEST_F(WeightStore, AnnouncesAModelBeforeItAnswersThatItIsPublished) {
  const auto reply = publish("m", 1);
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_EQ(reply->model, "acme/m@1");
  EXPECT_EQ(reply->new_shards, reply->shards);
  EXPECT_EQ(announced(), std::vector<std::string>{"acme/m@1"});
  EXPECT_EQ(ask<model_list>(client_, list_atom_v)->rows.size(), 1u);
}

TEST_F(WeightStore, TellsAPublisherWhatIsNewToItsTenantWhateverOthersHave) {
  const auto first = publish("m", 1);
  const auto same = publish("n", 1, 256, "globex");
  ASSERT_TRUE(same) << same.error().message;
  EXPECT_EQ(same->new_shards, first->new_shards);
  EXPECT_EQ(same->new_bytes, first->new_bytes);
  const auto again = publish("m", 1);
  EXPECT_EQ(again->new_shards, 0u);
  EXPECT_EQ(again->new_bytes, 0u);
}

TEST_F(WeightStore, RefusesWhoIsNoTenantOrHasAllHisModels) {
  const auto nobody = ask<publication>(client_, publish_request{"nobody", "m", folder_.path().string()});
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().code, core::errc::not_found);
  ASSERT_TRUE(publish("a", 1));
  ASSERT_TRUE(publish("b", 2));
  const auto third = publish("c", 3);
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code, core::errc::quota_exceeded);
}

TEST_F(WeightStore, AnnouncesWhatWasPublishedInAnEarlierLife) {
  ASSERT_TRUE(publish("m", 1));
  caf::anon_send(store_, stop_atom_v);
  start();
  EXPECT_EQ(ask<model_list>(client_, list_atom_v)->rows.size(), 1u); // it has begun
  EXPECT_EQ(announced(), (std::vector<std::string>{"acme/m@1", "acme/m@1"}));
}

TEST_F(WeightStore, ReadsAShardFromTheDiskOnceForAllWhoLoadIt) {
  ASSERT_TRUE(publish("m", 1));
  const auto wanted = staging_of("acme/m@1");
  const auto first = ask<stage_reply>(client_, wanted);
  ASSERT_TRUE(first && first->staged) << first->error;
  EXPECT_FALSE(first->was_cached);
  EXPECT_GT(first->disk_path.size(), 0u);
  caf::scoped_actor other(system_);
  const auto second = ask<stage_reply>(other, wanted);
  ASSERT_TRUE(second && second->staged);
  EXPECT_TRUE(second->was_cached);
  EXPECT_EQ(second->location.offset_bytes, first->location.offset_bytes);
}

class WeightStoreWhileItReads : public WeightStore {
protected:
  WeightStoreWhileItReads() : WeightStore(true) {}
  stage_progress told() {
    stage_progress told;
    client_->receive([&](const stage_progress& part) { told = part; });
    return told;
  }
};

TEST_F(WeightStoreWhileItReads, TellsWhoLoadsAShardWhatOfItCanBeTakenAlready) {
  ASSERT_TRUE(publish("m", 1));
  const auto wanted = staging_of("acme/m@1");
  const auto reply = ask<stage_reply>(client_, wanted);
  ASSERT_TRUE(reply && reply->staged) << reply->error;
  const auto part = told();
  EXPECT_EQ(part.location.chunks, 1u);
  EXPECT_EQ(part.location.shard, wanted.shard);
  EXPECT_EQ(part.location.offset_bytes, reply->location.offset_bytes);
  EXPECT_EQ(part.location.region, reply->location.region);
  EXPECT_EQ(part.disk_path, reply->disk_path);
}

// Its embeddings take more than half of the cache.
TEST_F(WeightStoreWhileItReads, KeepsWhatItToldOfADamagedObjectUntilItIsReleased) {
  ASSERT_TRUE(publish("m", 1, large_vocabulary));
  const auto wanted = staging_of("acme/m@1");
  const auto object = objects_.object_path(wanted.shard);
  flip_a_byte_of(object);
  EXPECT_FALSE(ask<stage_reply>(client_, wanted)->staged);
  flip_a_byte_of(object);
  caf::scoped_actor other(system_);
  auto waiting = other->request(store_, patience, wanted);
  EXPECT_EQ(ask<uint64_t>(client_, drop_atom_v), 0u) << "it may still be read from";
  client_->send(store_, release_atom_v, wanted.shard);
  waiting.receive([](const stage_reply& reply) { EXPECT_TRUE(reply.staged) << reply.error; },
                  [](const caf::error& why) { ADD_FAILURE() << from_caf(why).message; });
}

TEST_F(WeightStore, SaysThatItDoesNotHaveAShard) {
  ASSERT_TRUE(publish("m", 1));
  auto wanted = staging_of("acme/m@1");
  wanted.only_if_cached = true;
  const auto cold = ask<stage_reply>(client_, wanted);
  ASSERT_TRUE(cold);
  EXPECT_FALSE(cold->staged);
  wanted.shard.bytes[0] ^= 1;
  wanted.only_if_cached = false;
  EXPECT_THAT(ask<stage_reply>(client_, wanted)->error, HasSubstr("does not have the shard"));
}

// Either set's embeddings take more than half of the cache.
TEST_F(WeightStore, LetsAStagingWaitUntilALeaseIsGivenBack) {
  ASSERT_TRUE(publish("a", 1, large_vocabulary) && publish("b", 2, large_vocabulary));
  ASSERT_TRUE(ask<stage_reply>(client_, staging_of("acme/a@1"))->staged);
  caf::scoped_actor other(system_);
  auto waiting = other->request(store_, patience, staging_of("acme/b@1"));
  EXPECT_EQ(ask<uint64_t>(client_, drop_atom_v), 0u) << "it is in use";
  EXPECT_FALSE(other->has_next_message());
  client_->send(store_, release_atom_v, staging_of("acme/a@1").shard);
  waiting.receive([](const stage_reply& reply) { EXPECT_TRUE(reply.staged) << reply.error; },
                  [](const caf::error& why) { ADD_FAILURE() << from_caf(why).message; });
  EXPECT_FALSE(cache_->holds(staging_of("acme/a@1").shard));
}

TEST_F(WeightStore, TakesLeasesBackFromWhoHasEnded) {
  ASSERT_TRUE(publish("a", 1, large_vocabulary) && publish("b", 2, large_vocabulary));
  {
    caf::scoped_actor gone(system_);
    ASSERT_TRUE(ask<stage_reply>(gone, staging_of("acme/a@1"))->staged);
  }
  EXPECT_TRUE(ask<stage_reply>(client_, staging_of("acme/b@1"))->staged);
}

TEST_F(WeightStore, SaysThatAnObjectIsDamagedAndKeepsNothingOfIt) {
  ASSERT_TRUE(publish("m", 1));
  const auto wanted = staging_of("acme/m@1");
  flip_a_byte_of(objects_.object_path(wanted.shard));
  const auto reply = ask<stage_reply>(client_, wanted);
  ASSERT_TRUE(reply);
  EXPECT_FALSE(reply->staged);
  EXPECT_EQ(reply->bad_chunks, 1u);
  EXPECT_THAT(reply->error, HasSubstr("publish the model's folder again"));
  EXPECT_THAT(reply->error, Not(HasSubstr(folder_.path().string()))) << "tenants read it";
  EXPECT_FALSE(cache_->holds(wanted.shard));
  EXPECT_EQ(damaged("object"), 1u);
  EXPECT_EQ(damaged("cache"), 0u);
}

TEST_F(WeightStore, ReadsTheDiskAgainWhenACopyInItsCacheIsDamaged) {
  ASSERT_TRUE(publish("m", 1));
  const auto wanted = staging_of("acme/m@1");
  const auto first = ask<stage_reply>(client_, wanted);
  ASSERT_TRUE(first && first->staged);
  const auto right = byte_of(*first);
  byte_of(*first) ^= std::byte{1};
  client_->send(store_, doubt_of(*first));
  const auto again = ask<stage_reply>(client_, wanted);
  ASSERT_TRUE(again && again->staged) << again->error;
  EXPECT_FALSE(again->was_cached);
  EXPECT_EQ(byte_of(*again), right);
  EXPECT_EQ(damaged("cache"), 1u);
  EXPECT_EQ(damaged("object"), 0u);
}

TEST_F(WeightStore, KeepsACopyThatIsRightWhateverIsSaidOfIt) {
  ASSERT_TRUE(publish("m", 1));
  const auto wanted = staging_of("acme/m@1");
  const auto first = ask<stage_reply>(client_, wanted);
  ASSERT_TRUE(first && first->staged);
  auto of_an_earlier_life = doubt_of(*first);
  of_an_earlier_life.copy.generation = 9;
  for (const auto& doubted : {doubt_of(*first), of_an_earlier_life}) {
    client_->send(store_, doubted);
    const auto again = ask<stage_reply>(client_, wanted);
    ASSERT_TRUE(again && again->staged);
    EXPECT_TRUE(again->was_cached);
    EXPECT_EQ(again->location.offset_bytes, first->location.offset_bytes);
  }
  EXPECT_EQ(damaged("cache"), 0u);
}

// Either set's embeddings take more than half of the cache: the second copy needs the room of the first.
TEST_F(WeightStore, TakesTheRoomOfADamagedCopyFromWhoHasFoundIt) {
  ASSERT_TRUE(publish("a", 1, large_vocabulary));
  const auto first = ask<stage_reply>(client_, staging_of("acme/a@1"));
  ASSERT_TRUE(first && first->staged);
  byte_of(*first) ^= std::byte{1};
  client_->send(store_, doubt_of(*first));
  const auto again = ask<stage_reply>(client_, staging_of("acme/a@1"));
  ASSERT_TRUE(again && again->staged) << again->error;
  EXPECT_FALSE(again->was_cached);
}

TEST_F(WeightStore, StagesADamagedObjectAgainWhenItsFolderIsPublishedAgain) {
  ASSERT_TRUE(publish("m", 1));
  const auto wanted = staging_of("acme/m@1");
  flip_a_byte_of(objects_.object_path(wanted.shard));
  EXPECT_FALSE(ask<stage_reply>(client_, wanted)->staged);
  ASSERT_TRUE(publish("m", 1));
  const auto reply = ask<stage_reply>(client_, wanted);
  EXPECT_TRUE(reply->staged) << reply->error;
}

TEST_F(WeightStore, ServesTheOthersWhenAManifestIsDamagedAndTheModelWhenItsFolderComesAgain) {
  ASSERT_TRUE(publish("kept", 1) && publish("hurt", 2));
  const auto hurt = staging_of("acme/hurt@1");
  caf::anon_send(store_, stop_atom_v);
  flip_a_byte_of(folder_ / "store" / "sets" / hurt.manifest.hex());
  told_.published.clear();
  start();
  EXPECT_EQ(ask<model_list>(client_, list_atom_v)->rows.size(), 1u);
  EXPECT_TRUE(ask<stage_reply>(client_, staging_of("acme/kept@1"))->staged);
  EXPECT_THAT(announced(), ElementsAre("acme/kept@1"));
  ASSERT_TRUE(publish("hurt", 2));
  EXPECT_THAT(announced(), ElementsAre("acme/kept@1", "acme/hurt@2", "acme/hurt@1"));
  EXPECT_TRUE(ask<stage_reply>(client_, hurt)->staged);
}

TEST_F(WeightStore, TakesAModelBackWhoseManifestIsDamagedAndThenFreesBytesAgain) {
  ASSERT_TRUE(publish("hurt", 1) && publish("other", 2));
  const auto hurt = staging_of("acme/hurt@1"), other = staging_of("acme/other@1");
  caf::anon_send(store_, stop_atom_v);
  flip_a_byte_of(folder_ / "store" / "sets" / hurt.manifest.hex());
  start();
  const auto kept = ask<unpublish_reply>(client_, unpublish_request{"acme", "acme/other@1"});
  ASSERT_TRUE(kept) << kept.error().message;
  EXPECT_EQ(kept->freed_bytes, 0u) << "the damaged one may consist of the same bytes";
  EXPECT_TRUE(std::filesystem::exists(objects_.object_path(other.shard)));
  const auto reply = ask<unpublish_reply>(client_, unpublish_request{"acme", "acme/hurt", true});
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_THAT(reply->models, ElementsAre("acme/hurt@1"));
  EXPECT_TRUE(catalogue_.all()->empty());
  EXPECT_TRUE(objects_.collect_garbage({})->unreadable.empty()) << "as the next start does";
  EXPECT_FALSE(std::filesystem::exists(objects_.object_path(other.shard)));
  EXPECT_EQ(publish("new", 3)->model, "acme/new@1");
  EXPECT_GT(ask<unpublish_reply>(client_, unpublish_request{"acme", "acme/new@1"})->freed_bytes, 0u);
}

TEST_F(WeightStore, FreesTheBytesOfAModelThatIsTakenBackWhenNothingUsesIt) {
  const auto published = publish("m", 1);
  ASSERT_TRUE(published);
  ASSERT_TRUE(ask<stage_reply>(client_, staging_of("acme/m@1"))->staged);
  client_->send(store_, release_atom_v, staging_of("acme/m@1").shard);
  const auto wanted = staging_of("acme/m@1");
  const auto reply = ask<unpublish_reply>(client_, unpublish_request{"acme", "acme/m@1"});
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_GE(reply->freed_bytes, published->bytes);
  EXPECT_FALSE(std::filesystem::exists(objects_.object_path(wanted.shard)));
  EXPECT_FALSE(cache_->holds(wanted.shard));
  EXPECT_TRUE(ask<model_list>(client_, list_atom_v)->rows.empty());
}

} // namespace
} // namespace fastptm::actors
