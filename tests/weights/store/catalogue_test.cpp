// Versions, look-ups, survival and refusals of the catalogue.
#include "weights/store/catalogue.hpp"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "tests/support/temporary_folder.hpp"
#include "weights/format/hash.hpp"

namespace fastptm::weights {

namespace {

catalogue_entry entry_of(std::string tenant, std::string name) {
  catalogue_entry entry;
  entry.tenant = std::move(tenant);
  entry.name = std::move(name);
  entry.manifest = sha256("manifest");
  entry.card = sha256("card");
  entry.total_bytes = 90'861'568;
  entry.shard_count = 8;
  entry.architecture = "bert-6x384-f32";
  entry.task = "embed";
  entry.published_at_unix_s = 1'770'000'000;
  return entry;
}

void execute(const std::filesystem::path& file, const char* sql) {
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(file.c_str(), &database), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(database, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(database);
  sqlite3_close(database);
}

} // namespace

TEST(Catalogue, VersionsCountPerTenantAndName) {
  tests::temporary_folder home;
  auto models = catalogue::open(home / "c.sqlite");
  ASSERT_TRUE(models) << models.error().message;
  EXPECT_EQ(models->add(entry_of("acme", "minilm"))->full_name(), "acme/minilm@1");
  EXPECT_EQ(models->add(entry_of("acme", "minilm"))->full_name(), "acme/minilm@2");
  EXPECT_EQ(models->add(entry_of("acme", "other"))->full_name(), "acme/other@1");
  EXPECT_EQ(models->add(entry_of("globex", "minilm"))->full_name(), "globex/minilm@1");
}

TEST(Catalogue, RowsAreThereAfterOpeningAgain) {
  tests::temporary_folder home;
  catalogue_entry added;
  {
    auto models = catalogue::open(home / "c.sqlite");
    ASSERT_TRUE(models);
    added = *models->add(entry_of("acme", "minilm"));
  }
  auto models = catalogue::open(home / "c.sqlite");
  ASSERT_TRUE(models);
  const auto found = models->find("acme/minilm@1");
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->id, added.id);
  EXPECT_EQ(found->manifest, sha256("manifest"));
  EXPECT_EQ(found->card, sha256("card"));
  EXPECT_EQ(found->total_bytes, 90'861'568u);
  EXPECT_EQ(found->shard_count, 8u);
  EXPECT_EQ(found->architecture, "bert-6x384-f32");
  EXPECT_EQ(found->task, "embed");
  EXPECT_EQ(found->published_at_unix_s, 1'770'000'000);
  EXPECT_EQ(models->all()->size(), 1u);
}

TEST(Catalogue, ANameWithoutVersionMeansTheNewest) {
  tests::temporary_folder home;
  auto models = catalogue::open(home / "c.sqlite");
  ASSERT_TRUE(models);
  for (int i = 0; i < 11; ++i) ASSERT_TRUE(models->add(entry_of("acme", "minilm")));
  EXPECT_EQ(models->find("acme/minilm")->version, 11u);
  EXPECT_EQ(models->find("acme/minilm@9")->version, 9u);
  for (const char* name :
       {"acme/minilm@12", "acme/minilm@0", "acme/minilm@", "acme/minilm@1x", "acme/mini", "minilm", "",
        "globex/minilm@1", "acme/minilm@18446744073709551617", "acme/minilm@1@1", "acme/min' OR '1'='1"}) {
    const auto found = models->find(name);
    ASSERT_FALSE(found) << name;
    EXPECT_EQ(found.error().code, core::errc::not_found) << name;
  }
}

TEST(Catalogue, AnotherSchemaVersionIsRefused) {
  tests::temporary_folder home;
  ASSERT_TRUE(catalogue::open(home / "c.sqlite"));
  execute(home / "c.sqlite", "PRAGMA user_version = 99");
  const auto again = catalogue::open(home / "c.sqlite");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, core::errc::version_mismatch) << again.error().message;
}

TEST(Catalogue, AFileThatIsNoCatalogueIsRefused) {
  tests::temporary_folder home;
  tests::write_file(home / "junk.sqlite", std::string(10'000, 'j'));
  const auto junk = catalogue::open(home / "junk.sqlite");
  ASSERT_FALSE(junk);
  EXPECT_EQ(junk.error().code, core::errc::corrupt) << junk.error().message;
  execute(home / "other.sqlite", "PRAGMA application_id = 1; CREATE TABLE t (x)");
  EXPECT_FALSE(catalogue::open(home / "other.sqlite"));
}

TEST(Catalogue, RemovedRowsAreGoneAndTheirVersionsAreNotGivenAgain) {
  tests::temporary_folder home;
  {
    auto models = catalogue::open(home / "c.sqlite");
    ASSERT_TRUE(models);
    const auto first = models->add(entry_of("acme", "m")), second = models->add(entry_of("acme", "m"));
    const auto other = models->add(entry_of("globex", "m"));
    ASSERT_TRUE(models->remove(std::vector{second->id}));
    EXPECT_FALSE(models->find("acme/m@2"));
    EXPECT_EQ(models->find("acme/m")->id, first->id);
    EXPECT_EQ(models->add(entry_of("acme", "m"))->version, 3u);
    ASSERT_TRUE(models->remove(std::vector{first->id, models->find("acme/m@3")->id}));
    EXPECT_FALSE(models->find("acme/m"));
    EXPECT_EQ(models->find("globex/m@1")->id, other->id);
    EXPECT_TRUE(models->remove(std::vector{first->id})) << "twice is once";
  }
  auto models = catalogue::open(home / "c.sqlite");
  ASSERT_TRUE(models);
  const auto again = models->add(entry_of("acme", "m"));
  EXPECT_EQ(again->version, 4u);
  EXPECT_GT(again->id.value, 4u);
  EXPECT_EQ(models->newer_than({3})->size(), 1u);
}

TEST(Catalogue, OneOfTheFirstVersionIsBroughtUpToDate) {
  tests::temporary_folder home;
  {
    auto models = catalogue::open(home / "c.sqlite");
    ASSERT_TRUE(models);
    ASSERT_TRUE(models->add(entry_of("acme", "m")));
  }
  execute(home / "c.sqlite", "DROP TABLE removed; PRAGMA user_version = 1");
  auto models = catalogue::open(home / "c.sqlite");
  ASSERT_TRUE(models) << models.error().message;
  ASSERT_TRUE(models->find("acme/m@1"));
  ASSERT_TRUE(models->remove(std::vector{models->find("acme/m@1")->id}));
  EXPECT_EQ(models->add(entry_of("acme", "m"))->version, 2u);
}

} // namespace fastptm::weights
