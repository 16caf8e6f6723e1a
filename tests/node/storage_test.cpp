// Opening a store: what keeps it from starting, and what does not.
#include "node/storage.hpp"

#include <gtest/gtest.h>

#include "tests/support/temporary_folder.hpp"
#include "weights/import/synthetic.hpp"
#include "weights/store/publisher.hpp"

namespace fastptm::node {
namespace {

class Storage : public testing::Test {
protected:
  Storage() {
    self_.host_cache_bytes = 8 << 20;
    self_.devices = {{"host0", "host", 64 << 20, 1}};
    config_.nodes = {self_};
  }
  core::result<std::unique_ptr<storage>> open() { return storage::open(home_ / "store", config_, self_, exports_); }

  weights::publication publish(storage& into, const std::string& name, uint64_t seed) {
    const auto folder = home_ / name;
    EXPECT_TRUE(weights::write_synthetic_model(folder, *weights::synthetic_shape_named("tiny"), seed));
    const weights::publish_request request{
        .folder = folder, .tenant = "acme", .name = name, .check_tokenizer = {}, .pack_card = {}};
    return weights::publish(request, into.objects(), into.models()).value();
  }
  std::filesystem::path manifest_file(const weights::publication& of) const {
    return home_ / "store" / "sets" / of.entry.manifest.hex();
  }

  tests::temporary_folder home_;
  cluster_config config_;
  node_config self_;
  transport::exporter exports_;
};

TEST_F(Storage, OpensWithADamagedManifestAndRemovesNothingUntilItCanBeRead) {
  weights::publication hurt;
  {
    auto kept = open().value();
    publish(*kept, "kept", 1);
    hurt = publish(*kept, "hurt", 2);
  }
  const auto bytes = tests::read_file(manifest_file(hurt));
  auto flipped = bytes;
  flipped[bytes.size() / 2] ^= 1;
  tests::write_file(manifest_file(hurt), flipped);
  const auto garbage = home_ / "store" / "objects" / std::string(64, 'a');
  tests::write_file(garbage, "nobody's");
  {
    auto opened = open();
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ((*opened)->models().all()->size(), 2u);
  }
  EXPECT_TRUE(std::filesystem::exists(garbage));
  for (const auto& shard : hurt.set.shards)
    EXPECT_TRUE(std::filesystem::exists(home_ / "store" / "objects" / shard.digest.hex()));
  tests::write_file(manifest_file(hurt), bytes);
  ASSERT_TRUE(open());
  EXPECT_FALSE(std::filesystem::exists(garbage));
}

TEST_F(Storage, RefusesACatalogueWithAModelThatNoArenaHolds) {
  publish(*open().value(), "m", 1);
  config_.nodes[0].devices[0].arena_bytes = 4096;
  const auto refused = open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, core::errc::does_not_fit);
  EXPECT_NE(refused.error().message.find("raise arenaMib"), std::string::npos) << refused.error().message;
}

} // namespace
} // namespace fastptm::node
