// Damage of the store's disk, and that publishing the same folder again mends it for every model that consists of it.
#include <cmath>

#include <gtest/gtest.h>

#include "tests/support/checkpoint_folder.hpp"
#include "tests/support/temporary_folder.hpp"
#include "weights/store/publisher.hpp"

namespace fastptm::weights {
namespace {

class Restoring : public testing::Test {
protected:
  Restoring() { model_.write(); }

  core::result<publication> publish(const std::string& name) {
    model_.write();
    const publish_request request{
        .folder = model_.path(), .tenant = "acme", .name = name, .check_tokenizer = {}, .pack_card = {}};
    return weights::publish(request, store_, models_);
  }
  std::filesystem::path manifest_file(const publication& of) const {
    return home_ / "store" / "sets" / of.entry.manifest.hex();
  }
  static void flip_a_byte_of(const std::filesystem::path& file) {
    auto bytes = tests::read_file(file);
    bytes[bytes.size() / 3] ^= 4;
    tests::write_file(file, bytes);
  }
  bool is_whole(const publication& of) const {
    bool whole = store_.read_manifest(of.entry.manifest).has_value();
    for (const auto& shard : of.set.shards)
      whole = whole && sha256(tests::read_file(store_.object_path(shard.digest))) == shard.digest;
    return whole;
  }

  tests::temporary_folder home_;
  tests::checkpoint_folder model_{home_ / "model"};
  content_store store_ = content_store::open(home_ / "store").value();
  catalogue models_ = catalogue::open(home_ / "catalogue.sqlite").value();
};

TEST_F(Restoring, PublishingAgainMendsWhatIsDamagedAndWritesNothingElse) {
  const auto first = publish("m");
  ASSERT_TRUE(first) << first.error().message;
  flip_a_byte_of(store_.object_path(first->set.shards[0].digest));
  flip_a_byte_of(store_.object_path(first->set.shards[2].digest));
  flip_a_byte_of(manifest_file(*first));
  ASSERT_FALSE(is_whole(*first));
  const auto again = publish("other");
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->new_shards, 0u);
  EXPECT_EQ(again->restored_shards, 2u);
  EXPECT_TRUE(again->manifest_restored);
  EXPECT_TRUE(is_whole(*first));
  const auto once_more = publish("other");
  EXPECT_EQ(once_more->restored_shards, 0u);
  EXPECT_FALSE(once_more->manifest_restored);
}

TEST_F(Restoring, WhatIsMissingComesBackToo) {
  const auto first = publish("m");
  ASSERT_TRUE(first) << first.error().message;
  std::filesystem::remove(store_.object_path(first->set.shards[1].digest));
  std::filesystem::remove(manifest_file(*first));
  ASSERT_TRUE(publish("m"));
  EXPECT_TRUE(is_whole(*first));
}

TEST_F(Restoring, WhatAFailedPublicationHasMendedStays) {
  const auto first = publish("first");
  ASSERT_TRUE(first) << first.error().message;
  flip_a_byte_of(store_.object_path(first->set.shards[0].digest));
  auto& pooler = model_.at("pooler.dense.bias"); // the last shard
  pooler = tests::f32_tensor(pooler.shape, std::vector<float>(tests::checkpoint_folder::hidden, NAN));
  EXPECT_FALSE(publish("second"));
  EXPECT_TRUE(is_whole(*first));
}

} // namespace
} // namespace fastptm::weights
