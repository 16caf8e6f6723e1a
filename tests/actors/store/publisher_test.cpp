// What the weight store asks of the one actor that may block: publishing, rows out, bytes out.
#include "actors/store/publisher.hpp"

#include <gmock/gmock.h>

#include "actors/actor_from_state.hpp"
#include "actors/deterministic_system.hpp"
#include "tests/support/temporary_folder.hpp"
#include "weights/import/synthetic.hpp"

namespace fastptm::actors {
namespace {

using testing::HasSubstr;

constexpr core::duration_us patience_us = 1'000'000;

// The test lets it run, so that it blocks the test instead of a thread of its own.
class Publisher : public testing::Test {
protected:
  ~Publisher() override { stop(); }
  void stop() {
    caf::anon_send(publisher_, protocol::stop_atom_v);
    world_.run();
  }
  void start(const publisher_options& options) {
    stop();
    publisher_ = world_.system().spawn<actor_from_state<publisher>>(options);
  }

  core::result<local<weights::publication>> publish(const std::string& folder) {
    return world_.ask<local<weights::publication>>(publisher_, patience_us,
                                                   protocol::publish_request{"acme", "m", folder});
  }
  std::string model() {
    const auto at = folder_ / "model";
    EXPECT_TRUE(weights::write_synthetic_model(at, weights::synthetic_shape_named("tiny").value(), 1));
    return at.string();
  }

  tests::temporary_folder folder_;
  weights::content_store store_ = weights::content_store::open(folder_ / "store").value();
  weights::catalogue catalogue_ = weights::catalogue::open(folder_ / "catalogue.sqlite").value();
  actors::deterministic_system world_;
  publisher_actor publisher_ =
      world_.system().spawn<actor_from_state<publisher>>(publisher_options{&store_, &catalogue_});
};

TEST_F(Publisher, AnswersWithTheRowAndTheManifestOfWhatItPublished) {
  const auto done = publish(model());
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->value->entry.full_name(), "acme/m@1");
  EXPECT_EQ(done->value->new_shards, done->value->set.shards.size());
  EXPECT_EQ(catalogue_.all()->size(), 1u);
}

TEST_F(Publisher, SaysWhatIsWrongWithAFolderAndPublishesNothing) {
  const auto refused = publish((folder_ / "nothing").string());
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("nothing: cannot open the model folder"));
  EXPECT_TRUE(catalogue_.all()->empty());
}

TEST_F(Publisher, RefusesAShardThatTheHostCacheCannotHold) {
  const auto plan = weights::inspect(model());
  ASSERT_TRUE(plan) << plan.error().message;
  uint64_t largest_bytes = 0;
  for (const auto& shard : plan->shards) largest_bytes = std::max(largest_bytes, shard.layout.size_bytes);
  start({&store_, &catalogue_, 0, largest_bytes - 1});
  const auto refused = publish(model());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, core::errc::does_not_fit);
  EXPECT_THAT(refused.error().message, HasSubstr("set hostCacheMib of the store's node to 1 or more"));
  EXPECT_TRUE(catalogue_.all()->empty());
  start({&store_, &catalogue_, 0, largest_bytes});
  EXPECT_TRUE(publish(model()));
}

TEST_F(Publisher, TakesRowsOutFirstAndBytesWhenItIsTold) {
  const auto done = publish(model());
  ASSERT_TRUE(done);
  const auto& published = *done->value;
  ASSERT_TRUE(world_.ask<bool>(publisher_, patience_us, make_local(row_removal{{published.entry.id}})));
  EXPECT_TRUE(catalogue_.all()->empty());
  weights::leftovers left{{}, {published.entry.manifest}, published.entry.id};
  for (const auto& shard : published.set.shards) {
    EXPECT_TRUE(std::filesystem::exists(store_.object_path(shard.digest)));
    left.objects.push_back(shard.digest);
  }
  const auto freed = world_.ask<uint64_t>(publisher_, patience_us, make_local(std::move(left)));
  ASSERT_TRUE(freed) << freed.error().message;
  EXPECT_GE(*freed, published.entry.total_bytes);
  for (const auto& shard : published.set.shards)
    EXPECT_FALSE(std::filesystem::exists(store_.object_path(shard.digest)));
}

} // namespace
} // namespace fastptm::actors
