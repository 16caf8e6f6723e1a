// Names, damage and garbage of the store's folder.
#include "weights/store/content_store.hpp"

#include <gtest/gtest.h>

#include "models/encoder/config.hpp"
#include "models/registry.hpp"
#include "tests/support/temporary_folder.hpp"

namespace fastptm::weights {

namespace {

namespace fs = std::filesystem;

size_t count_in(const fs::path& folder) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

// A small but valid set whose shards have these contents, one per shard of the layout.
manifest store_set(content_store& store, char content) {
  manifest set;
  set.arch = models::encoder::architecture_of(
      "bert",
      {.hidden = 8, .layers = 1, .heads = 1, .intermediate = 8, .vocabulary = 8, .positions = 8, .token_types = 1});
  set.job.max_tokens = 8;
  for (const auto& layout : models::layout_of(set.arch, set.job)) {
    const std::string bytes(layout.size_bytes, content++);
    const auto object = store.put_object(bytes);
    EXPECT_TRUE(object);
    set.shards.push_back({object->digest,
                          layout.size_bytes,
                          {chunk_checksum(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size())}});
  }
  return set;
}

} // namespace

TEST(ContentStore, AnObjectIsStoredOnceUnderTheDigestOfItsBytes) {
  tests::temporary_folder home;
  auto store = content_store::open(home / "store");
  ASSERT_TRUE(store) << store.error().message;
  const auto first = store->put_object("hello");
  const auto second = store->put_object("hello");
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->digest, sha256("hello"));
  EXPECT_TRUE(first->is_new);
  EXPECT_FALSE(second->is_new);
  EXPECT_EQ(count_in(home / "store/objects"), 1u);
  EXPECT_EQ(count_in(home / "store/temp"), 0u);
  EXPECT_EQ(tests::read_file(store->object_path(first->digest)), "hello");
}

TEST(ContentStore, AWriterThatIsDroppedLeavesNothing) {
  tests::temporary_folder home;
  auto store = content_store::open(home / "store");
  ASSERT_TRUE(store);
  {
    auto writer = store->begin_object();
    ASSERT_TRUE(writer);
    ASSERT_TRUE(writer->append(std::as_bytes(std::span("half"))));
    EXPECT_EQ(count_in(home / "store/temp"), 1u);
  }
  EXPECT_EQ(count_in(home / "store/temp"), 0u);
  EXPECT_EQ(count_in(home / "store/objects"), 0u);
}

TEST(ContentStore, DamagedObjectsAndManifestsAreCorrupt) {
  tests::temporary_folder home;
  auto store = content_store::open(home / "store");
  ASSERT_TRUE(store);
  const auto set = store_set(*store, 'a');
  const auto stored = store->put_manifest(set);
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->digest, digest_of(set));
  EXPECT_EQ(*store->read_manifest(stored->digest), set);
  const auto file = home / "store/sets" / stored->digest.hex();
  auto bytes = tests::read_file(file);
  bytes[bytes.size() / 2] ^= 1;
  tests::write_file(file, bytes);
  EXPECT_EQ(store->read_manifest(stored->digest).error().code, core::errc::corrupt);

  EXPECT_EQ(store->read_manifest(sha256("unknown")).error().code, core::errc::not_found);
}

TEST(ContentStore, WhatIsDamagedIsReplacedByACopyThatIsNot) {
  tests::temporary_folder home;
  auto store = content_store::open(home / "store");
  ASSERT_TRUE(store);
  const std::string bytes(3 * 4096 + 17, 'x');
  const auto object = store->put_object(bytes);
  ASSERT_TRUE(object);
  const auto file = store->object_path(object->digest);
  auto flipped = bytes;
  flipped[5000] ^= 1;
  for (const auto& found : {flipped, std::string("short"), std::string()}) {
    tests::write_file(file, found);
    const auto again = store->put_object(bytes);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_TRUE(again->is_restored);
    EXPECT_FALSE(again->is_new) << "a publication that fails would take it back, and others need it";
    EXPECT_EQ(tests::read_file(file), bytes);
  }
  EXPECT_FALSE(store->put_object(bytes)->is_restored);
  EXPECT_EQ(count_in(home / "store/temp"), 0u);
}

TEST(ContentStore, ADamagedManifestIsReplacedByTheSameOneToo) {
  tests::temporary_folder home;
  auto store = content_store::open(home / "store");
  ASSERT_TRUE(store);
  const auto set = store_set(*store, 'a');
  const auto stored = store->put_manifest(set);
  ASSERT_TRUE(stored);
  const auto file = home / "store/sets" / stored->digest.hex();
  auto bytes = tests::read_file(file);
  bytes[bytes.size() / 2] ^= 1;
  tests::write_file(file, bytes);
  EXPECT_TRUE(store->put_manifest(set)->is_restored);
  EXPECT_EQ(*store->read_manifest(stored->digest), set);
}

TEST(ContentStore, GarbageIsWhatNoLiveModelNeeds) {
  tests::temporary_folder home;
  auto store = content_store::open(home / "store");
  ASSERT_TRUE(store);
  const auto kept = store_set(*store, 'a');
  const auto dead = store_set(*store, 'b'); // shares one shard with the first: both have 'b'
  const auto card = store->put_object("card"), orphan = store->put_object("orphan");
  const auto kept_name = store->put_manifest(kept), dead_name = store->put_manifest(dead);
  ASSERT_TRUE(card && orphan && kept_name && dead_name);
  tests::write_file(home / "store/temp/half", "half");
  tests::write_file(home / "store/spool/upload/config.json", "{}");

  const live_model live[] = {{kept_name->digest, card->digest}};
  const auto removed = store->collect_garbage(live);
  ASSERT_TRUE(removed) << removed.error().message;
  EXPECT_GT(removed->removed.files, 0u);
  EXPECT_TRUE(removed->unreadable.empty());
  for (const auto& shard : kept.shards) EXPECT_TRUE(exists(store->object_path(shard.digest)));
  EXPECT_TRUE(exists(store->object_path(card->digest)));
  EXPECT_FALSE(exists(store->object_path(orphan->digest)));
  EXPECT_TRUE(store->read_manifest(kept_name->digest));
  EXPECT_FALSE(store->read_manifest(dead_name->digest));
  EXPECT_EQ(count_in(home / "store/objects"), kept.shards.size() + 1);
  EXPECT_EQ(count_in(home / "store/temp"), 0u);
  EXPECT_EQ(count_in(home / "store/spool"), 0u);
  EXPECT_EQ(store->collect_garbage(live)->removed.files, 0u);
}

TEST(ContentStore, NoObjectIsCollectedWhileALiveManifestCannotBeRead) {
  tests::temporary_folder home;
  auto store = content_store::open(home / "store");
  ASSERT_TRUE(store);
  const auto orphan = store->put_object("orphan");
  const auto dead = store->put_manifest(store_set(*store, 'a'));
  tests::write_file(home / "store/spool/upload/config.json", "{}");
  const live_model live[] = {{sha256("lost manifest"), {}}};
  const auto done = store->collect_garbage(live);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->unreadable, std::vector{sha256("lost manifest")});
  EXPECT_TRUE(exists(store->object_path(orphan->digest)));
  EXPECT_TRUE(store->read_manifest(dead->digest));
  EXPECT_EQ(count_in(home / "store/spool"), 0u) << "uploads that nobody finishes need no manifest";
}

} // namespace fastptm::weights
