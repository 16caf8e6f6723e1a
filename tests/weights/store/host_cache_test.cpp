// The host cache and its disk reader on real files: hits, eviction, leases, damage.
#include "weights/store/host_cache.hpp"

#include <atomic>
#include <cstring>
#include <fstream>

#include <gtest/gtest.h>

#include "core/mutex.hpp"
#include "core/random.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/until.hpp"
#include "weights/format/hash.hpp"
#include "weights/store/disk_reader.hpp"

namespace fastptm::weights {

namespace {

constexpr uint64_t mebibyte = 1 << 20;

// A shard as a file, with its manifest facts.
struct stored_shard {
  stage_request request;
  std::vector<std::byte> bytes;
};

struct HostCache : testing::Test {
  void open(uint64_t size_bytes) {
    auto made = host_cache::create(size_bytes, *disk);
    ASSERT_TRUE(made) << made.error().message;
    cache = std::move(*made);
  }
  ~HostCache() override { disk.reset(); } // first the reader, then the cache

  stored_shard store(uint64_t size_bytes, uint32_t name) {
    stored_shard made;
    made.bytes.resize(size_bytes);
    core::prng random(name);
    for (size_t i = 0; i + 8 <= size_bytes; i += 8) {
      const auto value = random.next();
      std::memcpy(made.bytes.data() + i, &value, 8);
    }
    std::memcpy(made.request.shard.bytes.data(), &name, sizeof name);
    made.request.size_bytes = size_bytes;
    made.request.file = folder.path() / std::to_string(name);
    for (uint64_t at = 0; at < size_bytes; at += chunk_bytes)
      made.request.chunk_checksums.push_back(
          chunk_checksum(made.bytes.data() + at, std::min(chunk_bytes, size_bytes - at)));
    write(made);
    return made;
  }
  static void write(const stored_shard& shard) {
    std::ofstream(shard.request.file, std::ios::binary)
        .write(reinterpret_cast<const char*>(shard.bytes.data()), static_cast<std::streamsize>(shard.bytes.size()));
  }

  // As a fault of this machine's memory would.
  void flip_a_byte_at(uint64_t offset_bytes) { cache->slab().memory.address[offset_bytes] ^= std::byte{16}; }

  // Has the copy looked at, and waits for the finding.
  cache_finding check_again(const staged& copy, const stored_shard& of) {
    core::mutex mutex;
    core::condition came;
    std::optional<cache_finding> finding;
    cache->when_found([&](cache_finding found) {
      core::mutex_lock lock(mutex);
      finding = std::move(found);
      came.notify_one();
    });
    cache->check_again(of.request.shard, copy.offset_bytes);
    core::mutex_lock lock(mutex);
    while (!finding) came.wait(lock);
    cache->when_found({});
    return *finding;
  }

  // Stages and waits.
  staged stage(const stored_shard& shard) {
    core::mutex mutex;
    core::condition came;
    std::optional<staged> result;
    cache->stage(shard.request, [&](staged got) {
      core::mutex_lock lock(mutex);
      result = std::move(got);
      came.notify_one();
    });
    core::mutex_lock lock(mutex);
    while (!result) came.wait(lock);
    return std::move(*result);
  }
  bool holds_right_bytes(const staged& where, const stored_shard& shard) {
    return std::memcmp(cache->slab().memory.address + where.offset_bytes, shard.bytes.data(), shard.bytes.size()) == 0;
  }

  tests::temporary_folder folder;
  std::unique_ptr<host_cache> cache;
  std::unique_ptr<disk_reader> disk = std::make_unique<disk_reader>();
};

TEST_F(HostCache, ReadsFromDiskOnceAndThenFromMemory) {
  open(32 * mebibyte);
  const auto shard = store(9 * mebibyte + 4096, 1);
  {
    const auto first = stage(shard);
    ASSERT_TRUE(first.outcome) << first.outcome.error().message;
    EXPECT_TRUE(first.from_disk);
    EXPECT_LT(first.start_us, first.end_us);
    EXPECT_TRUE(holds_right_bytes(first, shard));
  }
  std::filesystem::remove(shard.request.file);
  const auto second = stage(shard);
  ASSERT_TRUE(second.outcome);
  EXPECT_FALSE(second.from_disk);
  EXPECT_TRUE(holds_right_bytes(second, shard));
}

TEST_F(HostCache, EvictsLeastRecentlyUsedFirst) {
  open(12 * mebibyte);
  const auto a = store(4 * mebibyte, 1), b = store(4 * mebibyte, 2), c = store(4 * mebibyte, 3),
             d = store(4 * mebibyte, 4);
  for (const auto* shard : {&a, &b, &c, &a}) EXPECT_TRUE(stage(*shard).outcome);
  EXPECT_TRUE(stage(d).outcome);
  EXPECT_TRUE(cache->holds(a.request.shard));
  EXPECT_FALSE(cache->holds(b.request.shard));
  EXPECT_TRUE(cache->holds(c.request.shard));
  EXPECT_TRUE(cache->holds(d.request.shard));
}

TEST_F(HostCache, NeverEvictsWhatIsLeased) {
  open(8 * mebibyte);
  const auto a = store(4 * mebibyte, 1), b = store(4 * mebibyte, 2), c = store(4 * mebibyte, 3);
  auto lease_a = stage(a);
  auto lease_b = stage(b);
  const auto refused = stage(c);
  ASSERT_FALSE(refused.outcome);
  EXPECT_EQ(refused.outcome.error().code, core::errc::busy);
  EXPECT_TRUE(holds_right_bytes(lease_a, a));
  lease_b.lease.release();
  EXPECT_TRUE(stage(c).outcome);
  EXPECT_TRUE(holds_right_bytes(lease_a, a));
}

TEST_F(HostCache, GrowsAtOnceWhenSomebodyNeedsRoom) {
  open(96 * mebibyte);
  const auto before = cache->present_bytes();
  EXPECT_LT(before, 96 * mebibyte) << "it grows in the background";
  const auto shard = store(80 * mebibyte, 1);
  auto got = stage(shard);
  EXPECT_TRUE(tests::until([&] {
    if (got.outcome || got.outcome.error().code != core::errc::busy) return true;
    got = stage(shard);
    return false;
  }));
  ASSERT_TRUE(got.outcome) << got.outcome.error().message;
  EXPECT_GE(cache->present_bytes(), 80 * mebibyte);
}

TEST_F(HostCache, ComesToItsFullSizeAndStopsAtAnyMoment) {
  open(80 * mebibyte);
  EXPECT_TRUE(tests::until([&] { return cache->present_bytes() == cache->size_bytes(); }));
  open(1024 * mebibyte); // the one before ends; this one while it grows
}

TEST_F(HostCache, RefusesWhatIsLargerThanItself) {
  open(4 * mebibyte);
  EXPECT_EQ(stage(store(8 * mebibyte, 1)).outcome.error().code, core::errc::does_not_fit);
}

TEST_F(HostCache, ReportsDamageAndNeverCachesIt) {
  open(32 * mebibyte);
  auto shard = store(10 * mebibyte, 1);
  shard.bytes[5 * mebibyte] ^= std::byte{1};
  shard.bytes[9 * mebibyte] ^= std::byte{1};
  write(shard);
  const auto damaged = stage(shard);
  ASSERT_FALSE(damaged.outcome);
  EXPECT_EQ(damaged.outcome.error().code, core::errc::corrupt);
  EXPECT_EQ(damaged.bad_chunks, 2u);
  EXPECT_EQ(cache->used_bytes(), 0u);
  EXPECT_FALSE(cache->holds(shard.request.shard));
  shard.bytes[5 * mebibyte] ^= std::byte{1};
  shard.bytes[9 * mebibyte] ^= std::byte{1};
  write(shard);
  EXPECT_TRUE(stage(shard).outcome) << "a mended object is read again";
}

TEST_F(HostCache, GivesOutNoneOfThousandsOfDamagedObjects) {
  open(32 * mebibyte);
  core::prng random(7);
  for (uint32_t i = 1; i <= 1000; ++i) {
    auto shard = store(4096, i);
    shard.bytes[random.below(4096)] ^= static_cast<std::byte>(1u << random.below(8));
    write(shard);
    ASSERT_EQ(stage(shard).outcome.error().code, core::errc::corrupt) << "object " << i;
  }
  EXPECT_EQ(cache->used_bytes(), 0u);
}

TEST_F(HostCache, FindsThousandsOfDamagedCopiesAndReadsEachOfThemAnew) {
  open(32 * mebibyte);
  core::prng random(8);
  std::vector<stored_shard> shards;
  for (uint32_t i = 1; i <= 1000; ++i) shards.push_back(store(4096, i));
  std::vector<uint64_t> offsets;
  for (const auto& shard : shards) offsets.push_back(stage(shard).offset_bytes);
  for (const auto offset : offsets) flip_a_byte_at(offset + random.below(4096));
  std::atomic<uint32_t> damaged{0};
  cache->when_found([&](const cache_finding& found) { damaged += found.what == cache_finding::kind::damaged_copy; });
  for (size_t i = 0; i < shards.size(); ++i) {
    cache->check_again(shards[i].request.shard, offsets[i]);
    const auto again = stage(shards[i]); // waits for the outcome
    ASSERT_TRUE(again.outcome);
    EXPECT_TRUE(again.from_disk);
    ASSERT_TRUE(holds_right_bytes(again, shards[i])) << "shard " << i;
  }
  EXPECT_EQ(damaged, shards.size());
  cache->when_found({});
}

TEST_F(HostCache, ReportsMissingAndShortObjects) {
  open(32 * mebibyte);
  auto shard = store(2 * mebibyte, 1);
  std::filesystem::resize_file(shard.request.file, mebibyte);
  EXPECT_EQ(stage(shard).outcome.error().code, core::errc::corrupt);
  std::filesystem::remove(shard.request.file);
  EXPECT_EQ(stage(shard).outcome.error().code, core::errc::not_found);
  std::filesystem::create_symlink("/etc/passwd", shard.request.file);
  EXPECT_FALSE(stage(shard).outcome);
}

TEST_F(HostCache, SharesOneReadAmongAllWhoAsk) {
  open(32 * mebibyte);
  const auto shard = store(16 * mebibyte, 1);
  core::mutex mutex;
  core::condition came;
  std::vector<staged> results;
  for (int i = 0; i < 5; ++i)
    cache->stage(shard.request, [&](staged got) {
      core::mutex_lock lock(mutex);
      results.push_back(std::move(got));
      came.notify_one();
    });
  core::mutex_lock lock(mutex);
  while (results.size() < 5) came.wait(lock);
  for (const auto& each : results) {
    ASSERT_TRUE(each.outcome);
    EXPECT_EQ(each.offset_bytes, results[0].offset_bytes);
  }
  EXPECT_EQ(cache->used_bytes(), 16 * mebibyte);
}

// What a staging is told, in its order; several at once, for the same shard.
struct HostCacheWhileItReads : HostCache {
  struct account {
    std::vector<staged_part> parts;
    std::optional<staged> end;
  };
  // Stages and waits. `on_part` is called on the reader's thread.
  account stage_in_parts(const stored_shard& shard, std::function<void(staged_part)> on_part = {}) {
    core::mutex mutex;
    core::condition came;
    account out;
    cache->stage(
        shard.request,
        [&](staged got) {
          core::mutex_lock lock(mutex);
          out.end = std::move(got);
          came.notify_one();
        },
        [&](staged_part part) {
          if (on_part) on_part(part);
          core::mutex_lock lock(mutex);
          out.parts.push_back(part);
        });
    core::mutex_lock lock(mutex);
    while (!out.end) came.wait(lock);
    return out;
  }
};

TEST_F(HostCacheWhileItReads, TellsOfTheFirstChunksThatAreRight) {
  disk = std::make_unique<disk_reader>(disk_reader_options{1, 1024}); // one after the other
  open(64 * mebibyte);
  const auto shard = store(33 * mebibyte, 1);
  bool all_right = true;
  const auto told = stage_in_parts(shard, [&](staged_part part) {
    const auto* bytes = cache->slab().memory.address + part.offset_bytes;
    all_right &= std::memcmp(bytes, shard.bytes.data(), part.chunks * chunk_bytes) == 0;
  });
  ASSERT_TRUE(told.end->outcome);
  EXPECT_TRUE(all_right);
  ASSERT_EQ(told.parts.size(), shard.request.chunk_checksums.size() - 1) << "of all of it the end tells";
  for (uint32_t i = 0; i < told.parts.size(); ++i) {
    EXPECT_EQ(told.parts[i].offset_bytes, told.end->offset_bytes);
    EXPECT_EQ(told.parts[i].chunks, i + 1);
  }
}

TEST_F(HostCacheWhileItReads, TellsNothingOfWhatIsBehindAWrongChunkAndKeepsWhatItTold) {
  open(24 * mebibyte);
  auto shard = store(20 * mebibyte, 1);
  const auto right = shard;
  shard.bytes[9 * mebibyte] ^= std::byte{1}; // of the third of its five chunks
  write(shard);
  auto told = stage_in_parts(shard);
  EXPECT_EQ(told.end->outcome.error().code, core::errc::corrupt);
  ASSERT_FALSE(told.parts.empty());
  EXPECT_LE(told.parts.back().chunks, 2u);
  write(right);
  EXPECT_EQ(stage(right).outcome.error().code, core::errc::busy) << "its place may still be read from";
  told.end->lease.release();
  EXPECT_TRUE(stage(right).outcome);
}

TEST_F(HostCacheWhileItReads, KeepsNothingForThoseWhoWereToldNothing) {
  open(24 * mebibyte);
  auto shard = store(20 * mebibyte, 1);
  shard.bytes[mebibyte] ^= std::byte{1}; // of the first chunk
  write(shard);
  const auto told = stage_in_parts(shard);
  EXPECT_FALSE(told.end->outcome);
  EXPECT_TRUE(told.parts.empty());
  EXPECT_EQ(cache->used_bytes(), 0u);
}

TEST_F(HostCache, DropsEverythingButLeases) {
  open(32 * mebibyte);
  const auto a = store(4 * mebibyte, 1), b = store(4 * mebibyte, 2);
  const auto kept = stage(a);
  EXPECT_TRUE(stage(b).outcome);
  EXPECT_EQ(cache->drop_unleased(), 4 * mebibyte);
  EXPECT_TRUE(cache->holds(a.request.shard));
  EXPECT_FALSE(cache->holds(b.request.shard));
}

TEST_F(HostCache, TellsOnceOfADamagedObjectWhicheverChunkAndHoweverManyWait) {
  open(32 * mebibyte);
  auto shard = store(10 * mebibyte, 1);
  shard.bytes[5 * mebibyte] ^= std::byte{1};
  write(shard);
  core::mutex mutex;
  std::vector<cache_finding> findings;
  cache->when_found([&](cache_finding found) {
    const core::mutex_lock lock(mutex);
    findings.push_back(std::move(found));
  });
  size_t refused = 0;
  {
    const core::mutex_lock all_asked(mutex); // until then the reader's thread tells nobody
    for (int i = 0; i < 3; ++i)
      cache->stage(shard.request, [&](const staged& got) {
        const core::mutex_lock lock(mutex);
        refused += !got.outcome;
      });
  }
  ASSERT_TRUE(tests::until([&] {
    const core::mutex_lock lock(mutex);
    return refused == 3;
  }));
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].what, cache_finding::kind::damaged_object);
  const wrong_chunk second{1, shard.request.chunk_checksums[1],
                           chunk_checksum(shard.bytes.data() + chunk_bytes, chunk_bytes)};
  EXPECT_NE(findings[0].text.find(to_text(second)), std::string::npos) << findings[0].text;
}

TEST_F(HostCache, DropsACopyThatIsDamagedAndReadsTheDiskAgain) {
  open(32 * mebibyte);
  const auto shard = store(10 * mebibyte, 1);
  auto copy = stage(shard);
  copy.lease.release();
  flip_a_byte_at(copy.offset_bytes + 9 * mebibyte);
  const auto finding = check_again(copy, shard);
  EXPECT_EQ(finding.what, cache_finding::kind::damaged_copy);
  EXPECT_EQ(finding.shard, shard.request.shard);
  EXPECT_NE(finding.text.find("chunk 2 has the checksum"), std::string::npos) << finding.text;
  EXPECT_EQ(cache->used_bytes(), 0u);
  const auto fresh = stage(shard);
  ASSERT_TRUE(fresh.outcome);
  EXPECT_TRUE(fresh.from_disk);
  EXPECT_TRUE(holds_right_bytes(fresh, shard));
}

TEST_F(HostCache, GivesALeasedCopyThatIsDamagedToNobodyElseAndItsPlaceBackAtTheEnd) {
  open(32 * mebibyte);
  const auto shard = store(10 * mebibyte, 1);
  auto first = stage(shard), second = stage(shard);
  flip_a_byte_at(first.offset_bytes);
  EXPECT_EQ(check_again(first, shard).what, cache_finding::kind::damaged_copy);
  auto fresh = stage(shard);
  ASSERT_TRUE(fresh.outcome) << fresh.outcome.error().message;
  EXPECT_NE(fresh.offset_bytes, first.offset_bytes);
  EXPECT_TRUE(holds_right_bytes(fresh, shard));
  EXPECT_EQ(cache->used_bytes(), 20 * mebibyte);
  cache->check_again(shard.request.shard, first.offset_bytes); // of a copy that is known: nothing happens
  first.lease.release();
  EXPECT_EQ(cache->used_bytes(), 20 * mebibyte);
  second.lease.release();
  EXPECT_EQ(cache->used_bytes(), 10 * mebibyte);
  fresh.lease.release();
  EXPECT_FALSE(stage(shard).from_disk) << "the fresh copy stays";
  EXPECT_EQ(cache->drop_unleased(), 10 * mebibyte);
}

TEST_F(HostCache, KeepsACopyThatIsRight) {
  open(32 * mebibyte);
  const auto shard = store(10 * mebibyte, 1);
  const auto copy = stage(shard);
  EXPECT_EQ(check_again(copy, shard).what, cache_finding::kind::good_copy);
  const auto again = stage(shard);
  EXPECT_FALSE(again.from_disk);
  EXPECT_EQ(again.offset_bytes, copy.offset_bytes);
}

// What is asked while a copy is looked at waits for the outcome: nobody gets the damaged one in between.
TEST_F(HostCache, GivesRightBytesToWhoeverStagesWhileACopyIsLookedAt) {
  constexpr uint64_t seed = 11;
  RecordProperty("seed", std::to_string(seed));
  open(24 * mebibyte);
  core::prng random(seed);
  const auto shard = store(7 * mebibyte + 4096, 1);
  for (int round = 0; round < 40; ++round) {
    auto copy = stage(shard);
    ASSERT_TRUE(copy.outcome);
    ASSERT_TRUE(holds_right_bytes(copy, shard));
    const bool is_damaged = random.below(2) == 0, is_leased = random.below(2) == 0;
    if (is_damaged) flip_a_byte_at(copy.offset_bytes + random.below(shard.bytes.size()));
    cache->check_again(shard.request.shard, copy.offset_bytes);
    if (!is_leased) copy.lease.release();
    const auto next = stage(shard);
    ASSERT_TRUE(next.outcome) << next.outcome.error().message;
    EXPECT_EQ(next.from_disk, is_damaged) << "seed " << seed << ", round " << round;
    ASSERT_TRUE(holds_right_bytes(next, shard));
  }
  EXPECT_EQ(cache->drop_unleased(), shard.bytes.size());
  EXPECT_EQ(cache->used_bytes(), 0u);
}

TEST_F(HostCache, ForgetsWhatNoModelNeedsAfterItWasLookedAt) {
  open(32 * mebibyte);
  const auto shard = store(4 * mebibyte, 1);
  auto copy = stage(shard);
  copy.lease.release();
  cache->check_again(shard.request.shard, copy.offset_bytes);
  cache->forget_unneeded(shard.request.shard);
  EXPECT_TRUE(tests::until([&] { return cache->used_bytes() == 0; }));
}

TEST_F(HostCache, ForgetsWhatNoModelNeedsWithItsLastLease) {
  open(32 * mebibyte);
  const auto idle = store(4 * mebibyte, 1), leased = store(4 * mebibyte, 2), wanted = store(4 * mebibyte, 3);
  stage(idle).lease.release();
  auto lease = stage(leased).lease, again = stage(wanted).lease;
  for (const auto* each : {&idle, &leased, &wanted}) cache->forget_unneeded(each->request.shard);
  EXPECT_FALSE(cache->holds(idle.request.shard));
  EXPECT_TRUE(cache->holds(leased.request.shard));
  auto published_again = stage(wanted).lease;
  lease.release();
  again.release();
  published_again.release();
  EXPECT_FALSE(cache->holds(leased.request.shard));
  EXPECT_TRUE(cache->holds(wanted.request.shard));
  EXPECT_EQ(cache->used_bytes(), 4 * mebibyte);
}

// Random sizes, leases and requests in a small slab: what is leased keeps its bytes, space is never lost.
TEST_F(HostCache, KeepsLeasedBytesUnderRandomUse) {
  open(24 * mebibyte);
  core::prng random(3);
  std::vector<stored_shard> shards;
  for (uint8_t i = 0; i < 12; ++i) shards.push_back(store((1 + random.below(2000)) * 4096, i));
  std::vector<std::pair<staged, size_t>> held;
  for (int step = 0; step < 300; ++step) {
    const auto pick = random.below(shards.size());
    auto got = stage(shards[pick]);
    if (got.outcome) {
      ASSERT_TRUE(holds_right_bytes(got, shards[pick]));
      held.emplace_back(std::move(got), pick);
    } else {
      ASSERT_EQ(got.outcome.error().code, core::errc::busy);
    }
    while (!held.empty() && (held.size() > 4 || random.below(3) == 0)) {
      const auto which = random.below(held.size());
      ASSERT_TRUE(holds_right_bytes(held[which].first, shards[held[which].second]));
      held.erase(held.begin() + static_cast<ptrdiff_t>(which));
    }
  }
  held.clear();
  cache->drop_unleased();
  EXPECT_EQ(cache->used_bytes(), 0u);
  EXPECT_TRUE(stage(store(24 * mebibyte, 99)).outcome) << "the free space is one piece again";
}

} // namespace

} // namespace fastptm::weights
