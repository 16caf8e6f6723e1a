// What goes with a model that is taken back, and what stays.
#include "weights/store/unpublisher.hpp"

#include <gtest/gtest.h>

#include "tests/support/temporary_folder.hpp"
#include "weights/import/synthetic.hpp"
#include "weights/store/publisher.hpp"

namespace fastptm::weights {
namespace {

namespace fs = std::filesystem;

class Unpublisher : public testing::Test {
protected:
  publication publish(const std::string& name, uint64_t seed) {
    const auto folder = home_ / ("seed-" + std::to_string(seed));
    EXPECT_TRUE(write_synthetic_model(folder, *synthetic_shape_named("tiny"), seed));
    const publish_request request{
        .folder = folder, .tenant = "acme", .name = name, .check_tokenizer = {}, .pack_card = {}};
    return weights::publish(request, store_, models_).value();
  }

  static leftovers left_of(const publication& of, core::model_id newest_known) {
    leftovers left{{}, {of.entry.manifest}, newest_known};
    for (const auto& shard : of.set.shards) left.objects.push_back(shard.digest);
    return left;
  }

  uint64_t stored_bytes() const {
    uint64_t bytes = 0;
    for (const auto& file : fs::recursive_directory_iterator(home_ / "store"))
      if (file.is_regular_file()) bytes += file.file_size();
    return bytes;
  }

  bool is_whole(const publication& of) const {
    bool whole = store_.read_manifest(of.entry.manifest).has_value();
    for (const auto& shard : of.set.shards) whole = whole && exists(store_.object_path(shard.digest));
    return whole;
  }

  tests::temporary_folder home_;
  content_store store_ = content_store::open(home_ / "store").value();
  catalogue models_ = catalogue::open(home_ / "catalogue.sqlite").value();
};

TEST_F(Unpublisher, FreesTheBytesOfAModelAndLeavesTheOthers) {
  const auto kept = publish("kept", 1);
  const auto before_bytes = stored_bytes();
  const auto gone = publish("gone", 2);
  const auto removed = remove_leftovers(left_of(gone, gone.entry.id), store_, models_);
  ASSERT_TRUE(removed) << removed.error().message;
  EXPECT_EQ(removed->files, gone.set.shards.size() + 1);
  EXPECT_GE(removed->bytes, gone.set.total_bytes());
  EXPECT_EQ(stored_bytes(), before_bytes);
  EXPECT_TRUE(is_whole(kept));
}

TEST_F(Unpublisher, KeepsWhatAPublicationHasFoundMeanwhile) {
  const auto gone = publish("gone", 1);
  ASSERT_TRUE(models_.remove(std::vector{gone.entry.id}));
  const auto again = publish("again", 1); // after the caller has looked
  EXPECT_EQ(again.new_shards, 0u);
  const auto removed = remove_leftovers(left_of(gone, gone.entry.id), store_, models_);
  ASSERT_TRUE(removed) << removed.error().message;
  EXPECT_EQ(removed->files, 0u);
  EXPECT_TRUE(is_whole(again));
}

TEST_F(Unpublisher, RemovesNothingWhenANewModelCannotBeRead) {
  const auto gone = publish("gone", 1), broken = publish("broken", 2);
  tests::write_file(home_ / "store" / "sets" / broken.entry.manifest.hex(), "no manifest");
  const auto removed = remove_leftovers(left_of(gone, gone.entry.id), store_, models_);
  ASSERT_FALSE(removed);
  EXPECT_NE(removed.error().message.find("acme/broken@1"), std::string::npos) << removed.error().message;
  EXPECT_TRUE(is_whole(gone));
}

TEST_F(Unpublisher, TheSameBytesCanBePublishedAgain) {
  const auto gone = publish("gone", 1);
  ASSERT_TRUE(models_.remove(std::vector{gone.entry.id}));
  ASSERT_TRUE(remove_leftovers(left_of(gone, gone.entry.id), store_, models_));
  const auto again = publish("gone", 1);
  EXPECT_EQ(again.entry.version, 2u);
  EXPECT_EQ(again.new_shards, gone.new_shards);
  EXPECT_TRUE(is_whole(again));
}

} // namespace
} // namespace fastptm::weights
