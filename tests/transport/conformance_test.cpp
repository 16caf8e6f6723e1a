// What every fetcher promises, run on every backend.
#include <atomic>
#include <cstring>

#include <gtest/gtest.h>

#include "core/clock.hpp"
#include "core/mutex.hpp"
#include "core/random.hpp"
#include "core/units.hpp"
#include "tests/transport/rigs.hpp"

namespace fastptm::transport::test {

namespace {

using namespace core::literals;
constexpr core::duration_us patience_us = 20'000'000;
constexpr uint64_t region_bytes = 16_MiB;

void fill(core::memory_region memory, uint64_t seed) {
  core::prng random(seed);
  for (uint64_t i = 0; i + 8 <= memory.size_bytes; i += 8) {
    const auto value = random.next();
    std::memcpy(memory.address + i, &value, 8);
  }
}

// Collects completions of any number of fetches, from any thread.
class completions {
public:
  explicit completions(rig& under) : rig_(under) {}

  fetch_done next() {
    const auto slot = begun_++;
    {
      core::mutex_lock lock(mutex_);
      results_.resize(begun_);
      calls_.resize(begun_);
    }
    return [this, slot](core::result<fetched> result) {
      core::mutex_lock lock(mutex_);
      results_[slot] = std::move(result);
      ++calls_[slot];
      ++ended_;
    };
  }

  bool wait() {
    const auto give_up = core::monotonic_now_us() + patience_us;
    while (ended_ < begun_ && core::monotonic_now_us() < give_up) rig_.turn();
    core::mutex_lock lock(mutex_); // the last completion has let go of it
    return ended_ == begun_;
  }

  const core::result<fetched>& operator[](size_t i) const { return results_[i]; }
  size_t size() const { return results_.size(); }
  bool each_exactly_once() const {
    return std::all_of(calls_.begin(), calls_.end(), [](int calls) { return calls == 1; });
  }

private:
  rig& rig_;
  core::mutex mutex_; // completions come on threads of the backend
  std::vector<core::result<fetched>> results_;
  std::vector<int> calls_;
  std::atomic<size_t> ended_{0};
  size_t begun_ = 0;
};

class Fetcher : public testing::TestWithParam<backend_under_test> {
protected:
  void open(const rig_options& options = {}) {
    rig_ = GetParam().make(options);
    source_ = rig_->make_memory(region_bytes);
    fill(source_.memory, 7);
    name_ = rig_->exports().add(source_);
    target_.assign(region_bytes, std::byte{0xee});
  }
  remote_range range(uint64_t offset, uint64_t length) const {
    return {name_.region, name_.generation, offset, length};
  }
  fetch_request into(uint64_t target_offset, remote_range from, core::duration_us timeout_us = patience_us) {
    return {from, {target_.data() + target_offset, from.length_bytes}, timeout_us};
  }
  core::result<fetched> fetch_one(const fetch_request& request) { return fetch_one(rig_->address(), request); }
  core::result<fetched> fetch_one(const peer_address& peer, const fetch_request& request) {
    completions done(*rig_);
    const auto id = rig_->asker().fetch(peer, request, done.next());
    if (!id) return core::fail(id.error());
    EXPECT_TRUE(done.wait());
    return done[0];
  }

  std::unique_ptr<rig> rig_;
  exportable source_;
  exported name_;
  std::vector<std::byte> target_;
};

TEST_P(Fetcher, FetchesExactlyTheRangeAskedFor) {
  open();
  core::prng random(11);
  for (uint64_t length : {uint64_t{1}, uint64_t{4095}, 4_KiB, 8_KiB, 8_KiB + 1, 100'003ul, 1_MiB, 4_MiB, 16_MiB}) {
    std::fill(target_.begin(), target_.end(), std::byte{0xee});
    const auto offset = random.below(region_bytes - length + 1);
    const auto at = random.below(region_bytes - length + 1);
    const auto got = fetch_one(into(at, range(offset, length)));
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(got->bytes, length);
    EXPECT_EQ(got->way, GetParam().way);
    EXPECT_EQ(std::memcmp(target_.data() + at, source_.memory.address + offset, length), 0);
    EXPECT_TRUE(at == 0 || target_[at - 1] == std::byte{0xee});
    EXPECT_TRUE(at + length == region_bytes || target_[at + length] == std::byte{0xee});
  }
}

TEST_P(Fetcher, CompletesManyFetchesInFlightAtOnce) {
  open();
  completions done(*rig_);
  constexpr uint64_t piece = region_bytes / 128;
  for (uint64_t i = 0; i < 128; ++i)
    ASSERT_TRUE(rig_->asker().fetch(rig_->address(), into(i * piece, range(i * piece, piece)), done.next()));
  ASSERT_TRUE(done.wait());
  for (size_t i = 0; i < done.size(); ++i) EXPECT_TRUE(done[i]) << done[i].error().message;
  EXPECT_TRUE(done.each_exactly_once());
  EXPECT_EQ(std::memcmp(target_.data(), source_.memory.address, region_bytes), 0);
}

TEST_P(Fetcher, RefusesRangesOutsideOfTheRegion) {
  open();
  for (const auto& bad : {range(region_bytes, 1), range(region_bytes - 1, 2), range(~uint64_t{0} - 4, 8)}) {
    const auto got = fetch_one(into(0, bad));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, core::errc::invalid) << got.error().message;
  }
  EXPECT_EQ(target_[0], std::byte{0xee});
  EXPECT_TRUE(fetch_one(into(0, range(0, 4_KiB))));
}

TEST_P(Fetcher, RefusesWhatWasWithdrawnAndOtherGenerations) {
  open();
  auto older = range(0, 4_KiB);
  ++older.generation;
  EXPECT_EQ(fetch_one(into(0, older)).error().code, core::errc::not_found);
  bool withdrawn = false;
  rig_->exports().withdraw(name_, [&] { withdrawn = true; });
  EXPECT_TRUE(withdrawn);
  EXPECT_EQ(fetch_one(into(0, range(0, 4_KiB))).error().code, core::errc::not_found);
  EXPECT_EQ(target_[0], std::byte{0xee});
}

TEST_P(Fetcher, RefusesFetchesAfterWithdrawalInMidUse) {
  if (!GetParam().revokes_after_opening) GTEST_SKIP() << "a mapping stays readable by design";
  open();
  ASSERT_TRUE(fetch_one(into(0, range(0, 1_MiB))));
  std::atomic<bool> withdrawn = false;
  rig_->exports().withdraw(name_, [&] { withdrawn = true; });
  EXPECT_EQ(fetch_one(into(0, range(0, 1_MiB))).error().code, core::errc::not_found);
  EXPECT_TRUE(withdrawn);
}

TEST_P(Fetcher, RefusesAnotherLifeOfThePeer) {
  open();
  auto peer = rig_->address();
  ++peer.incarnation;
  EXPECT_EQ(fetch_one(peer, into(0, range(0, 4_KiB))).error().code, core::errc::version_mismatch);
  EXPECT_TRUE(fetch_one(into(0, range(0, 4_KiB))));
}

TEST_P(Fetcher, RefusesWhoDoesNotKnowTheSecret) {
  if (!GetParam().proves_secret) GTEST_SKIP() << "in process: nobody to prove anything to";
  open({.asker_secret = "another secret"});
  EXPECT_EQ(fetch_one(into(0, range(0, 4_KiB))).error().code, core::errc::permission_denied);
  EXPECT_EQ(target_[0], std::byte{0xee});
}

TEST_P(Fetcher, FailsSoonWhenNobodyIsThere) {
  open();
  rig_->stop_source();
  const auto got = fetch_one(into(0, range(0, 4_KiB), 3'000'000));
  ASSERT_FALSE(got);
  EXPECT_TRUE(got.error().code == core::errc::unavailable || got.error().code == core::errc::deadline_exceeded)
      << got.error().message;
}

TEST_P(Fetcher, EndsEveryFetchOnceWhenTheSourceEndsInMidFlight) {
  open();
  completions done(*rig_);
  constexpr uint64_t fetches = 32, each = region_bytes / fetches;
  for (uint64_t i = 0; i < fetches; ++i)
    ASSERT_TRUE(rig_->asker().fetch(rig_->address(), into(i * each, range(i * each, each), 5'000'000), done.next()));
  rig_->stop_source();
  ASSERT_TRUE(done.wait());
  EXPECT_TRUE(done.each_exactly_once());
}

TEST_P(Fetcher, EndsCancelledFetchesOnceAndLeavesTheirTargetsAlone) {
  open();
  for (int round = 0; round < 20; ++round) {
    completions done(*rig_);
    std::vector<fetch_id> ids;
    for (uint64_t i = 0; i < 4; ++i)
      ids.push_back(*rig_->asker().fetch(rig_->address(), into(i * 4_MiB, range(i * 4_MiB, 4_MiB)), done.next()));
    for (const auto id : ids) rig_->asker().cancel(id);
    for (const auto id : ids) rig_->asker().cancel(id);
    ASSERT_TRUE(done.wait());
    EXPECT_TRUE(done.each_exactly_once());
    // From here on the memory is ours: a late write would show.
    std::fill(target_.begin(), target_.end(), std::byte{0x55});
    for (size_t i = 0; i < done.size(); ++i)
      EXPECT_TRUE(done[i] || done[i].error().code == core::errc::cancelled) << done[i].error().message;
    ASSERT_TRUE(fetch_one(into(0, range(0, 4_KiB)))); // what was under way is over
    EXPECT_TRUE(std::all_of(target_.begin() + 4096, target_.end(), [](auto b) { return b == std::byte{0x55}; }));
  }
}

TEST_P(Fetcher, EndsEverythingWhenItIsDestroyed) {
  open();
  completions done(*rig_);
  for (uint64_t i = 0; i < 16; ++i)
    ASSERT_TRUE(rig_->asker().fetch(rig_->address(), into(i * 1_MiB, range(i * 1_MiB, 1_MiB)), done.next()));
  rig_->stop_asker();
  ASSERT_TRUE(done.wait());
  EXPECT_TRUE(done.each_exactly_once());
}

TEST_P(Fetcher, EndsFetchesOfAClosedPeerAndConnectsAnewAfterwards) {
  open();
  completions done(*rig_);
  for (uint64_t i = 0; i < 16; ++i)
    ASSERT_TRUE(rig_->asker().fetch(rig_->address(), into(i * 1_MiB, range(i * 1_MiB, 1_MiB)), done.next()));
  rig_->asker().close_peer("source", rig_->address().incarnation);
  ASSERT_TRUE(done.wait());
  EXPECT_TRUE(done.each_exactly_once());
  EXPECT_TRUE(fetch_one(into(0, range(0, 4_MiB))));
}

TEST_P(Fetcher, KeepsTheConnectionToANodeWhoseEarlierLifeIsClosedLate) {
  open();
  completions done(*rig_);
  for (uint64_t i = 0; i < 16; ++i)
    ASSERT_TRUE(rig_->asker().fetch(rig_->address(), into(i * 1_MiB, range(i * 1_MiB, 1_MiB)), done.next()));
  rig_->asker().close_peer("source", rig_->address().incarnation + 1);
  ASSERT_TRUE(done.wait());
  for (size_t i = 0; i < done.size(); ++i) EXPECT_TRUE(done[i]) << done[i].error().message;
}

TEST_P(Fetcher, AnswersBusyBeyondItsBound) {
  if (GetParam().way == path::loopback) GTEST_SKIP() << "its users are bounded";
  open({.fetches_in_flight = 1});
  completions done(*rig_);
  const auto give_up = core::monotonic_now_us() + patience_us;
  // A fast backend may finish one before the next is asked for: the bound shows once two meet.
  for (bool busy = false; !busy && core::monotonic_now_us() < give_up;) {
    const auto ended = done.next();
    const auto id = rig_->asker().fetch(rig_->address(), into(0, range(0, 16_MiB)), ended);
    if (id) continue;
    EXPECT_EQ(id.error().code, core::errc::busy);
    ended(core::fail(id.error()));
    busy = true;
  }
  EXPECT_LT(core::monotonic_now_us(), give_up) << "never busy";
  EXPECT_TRUE(done.wait());
}

TEST_P(Fetcher, FetchesFromInsideACompletion) {
  open();
  std::atomic<int> left = 50;
  std::atomic<bool> failed = false;
  std::function<void()> again = [&] {
    const auto id = rig_->asker().fetch(rig_->address(), into(0, range(0, 64_KiB)), [&](core::result<fetched> got) {
      if (!got) failed = true;
      if (left.fetch_sub(1) > 1 && got) again();
    });
    if (!id) failed = true;
  };
  again();
  const auto give_up = core::monotonic_now_us() + patience_us;
  while (left > 0 && !failed && core::monotonic_now_us() < give_up) rig_->turn();
  EXPECT_EQ(left, 0);
  EXPECT_FALSE(failed);
  rig_->stop_asker();
}

INSTANTIATE_TEST_SUITE_P(EveryBackend, Fetcher, testing::ValuesIn(all_backends()),
                         [](const auto& each) { return each.param.name; });

} // namespace

} // namespace fastptm::transport::test
