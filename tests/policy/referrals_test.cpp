// Whom loads are told of, and that nobody is forgotten.
#include "policy/referrals.hpp"

#include <algorithm>
#include <deque>

#include <gmock/gmock.h>

#include "core/random.hpp"

namespace fastptm::policy {
namespace {

using core::digest;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

digest shard(uint32_t number) {
  digest named;
  std::memcpy(named.bytes.data(), &number, sizeof number);
  return named;
}

std::vector<digest> first_shards(uint32_t count) {
  std::vector<digest> all;
  for (uint32_t i = 0; i < count; ++i) all.push_back(shard(i));
  return all;
}

// Devices by the numbers that tests give them: each a node of its own.
class Referrals : public testing::Test {
protected:
  void join(uint32_t device, uint32_t host, bool is_stores_host = false) {
    referrals_.joined({device}, {device, host, is_stores_host});
  }
  // On hosts of their own.
  void join_all(uint32_t first, uint32_t last) {
    for (uint32_t i = first; i <= last; ++i) join(i, 1000 + i);
  }
  void hold(uint32_t device, uint32_t number) { referrals_.holds({device}, shard(number)); }
  // The number of the load is the device's.
  referral_news search(uint32_t by, const std::vector<digest>& shards) {
    referrals_.begin_search({by}, {by}, shards);
    return referrals_.take_news({by});
  }
  referral_news again(uint32_t by, const std::vector<digest>& shards) {
    referrals_.search_again({by}, shards);
    return referrals_.take_news({by});
  }
  static std::vector<uint32_t> holders(const referral_news& news) {
    std::vector<uint32_t> all;
    for (const auto& [device, shard] : news.holders) all.push_back(device.value);
    return all;
  }
  // Of all that have news, who is told of which holders.
  std::map<uint32_t, std::vector<uint32_t>> told() {
    std::map<uint32_t, std::vector<uint32_t>> all;
    for (const auto& [by, news] : referrals_.take_all_news()) all[by.value] = holders(news);
    return all;
  }

  referrals referrals_;
};

TEST_F(Referrals, NamesAFewHoldersThoseOfTheSameHostFirst) {
  join_all(1, 30);
  join(40, 7);
  join(41, 7);
  for (uint32_t i = 1; i <= 30; ++i) hold(i, 0);
  hold(40, 0);
  const auto named = holders(search(41, {shard(0)}));
  ASSERT_EQ(named.size(), 8u);
  EXPECT_EQ(named[0], 40u);
}

TEST_F(Referrals, FindsAHolderOfTheSameHostAmongMoreThanItLooksAt) {
  join_all(1, 500);
  join(600, 7);
  join(601, 7);
  for (uint32_t i = 1; i <= 250; ++i) hold(i, 0);
  hold(600, 0);
  for (uint32_t i = 251; i <= 500; ++i) hold(i, 0);
  EXPECT_EQ(holders(search(601, {shard(0)}))[0], 600u);
}

TEST_F(Referrals, SpreadsWhoAsksOverWhoHolds) {
  join_all(1, 60);
  for (uint32_t i = 1; i <= 20; ++i) hold(i, 0);
  std::map<uint32_t, uint32_t> readers;
  for (uint32_t i = 21; i <= 60; ++i)
    for (const auto holder : holders(search(i, {shard(0)}))) ++readers[holder];
  ASSERT_EQ(readers.size(), 20u);
  for (const auto& [holder, count] : readers) EXPECT_EQ(count, 16u) << "8 for each of 40, of 20";
}

TEST_F(Referrals, NamesTheSameFewDevicesForAllShardsOfASet) {
  join_all(1, 41);
  for (uint32_t i = 1; i <= 40; ++i)
    for (uint32_t j = 0; j < 14; ++j) hold(i, j);
  const auto named = holders(search(41, first_shards(14)));
  EXPECT_EQ(named.size(), 8u * 14);
  EXPECT_EQ(std::set<uint32_t>(named.begin(), named.end()).size(), 8u);
}

TEST_F(Referrals, NamesNoDeviceOfTheSameNode) {
  referrals_.joined({1}, {5, 7, false});
  referrals_.joined({2}, {5, 7, false});
  hold(1, 0);
  EXPECT_THAT(holders(search(2, {shard(0)})), IsEmpty());
}

TEST_F(Referrals, LetsAFewLoadsFollowEachOther) {
  join_all(1, 5);
  for (uint32_t i = 1; i <= 5; ++i) {
    const auto news = search(i, first_shards(14));
    EXPECT_THAT(news.holders, IsEmpty());
    EXPECT_EQ(news.awaited.size(), i == 1 ? 0u : 14u);
  }
  using heard = std::map<uint32_t, std::vector<uint32_t>>;
  for (uint32_t i = 1; i <= 4; ++i) {
    hold(i, 3);
    EXPECT_EQ(told(), (heard{{i + 1, {i}}})) << "who holds it is asked by the next only";
  }
  hold(5, 3);
  EXPECT_EQ(told(), heard());
}

TEST_F(Referrals, DividesManyLoadsIntoSeveralChains) {
  constexpr uint32_t loads = 100;
  join_all(1, loads);
  for (uint32_t i = 1; i <= loads; ++i) search(i, first_shards(14));
  // One shard goes down the chains, a hop at a time.
  std::vector<uint32_t> have{1};
  uint32_t hops = 0, reached = 1;
  size_t most = 0;
  while (!have.empty()) {
    for (const auto one : have) hold(one, 0);
    std::map<uint32_t, size_t> readers;
    have.clear();
    for (const auto& [by, named] : told()) {
      have.push_back(by);
      for (const auto holder : named) most = std::max(most, ++readers[holder]);
    }
    reached += static_cast<uint32_t>(have.size());
    if (!have.empty()) ++hops;
  }
  EXPECT_EQ(reached, loads);
  EXPECT_LE(hops, 30u) << "of 99 in one chain";
  EXPECT_LE(most, 8u) << "ask one device";
}

TEST_F(Referrals, RemindsTheEndOfAChainWhileItsBeginningGetsOn) {
  join_all(1, 4);
  for (uint32_t i = 1; i <= 4; ++i) search(i, first_shards(14));
  const auto reminded = [&] {
    referrals_.remind();
    std::map<uint32_t, size_t> all;
    for (const auto& [by, news] : referrals_.take_all_news()) all[by.value] = news.awaited.size();
    return all;
  };
  EXPECT_THAT(reminded(), IsEmpty()) << "nothing has come";
  hold(1, 0);
  EXPECT_EQ(told().size(), 1u);
  EXPECT_EQ(reminded(), (std::map<uint32_t, size_t>{{2, 13}, {3, 14}, {4, 14}}));
  EXPECT_THAT(reminded(), IsEmpty()) << "nothing since";
  referrals_.end_search({3});
  referrals_.take_all_news();
  hold(1, 1);
  told();
  EXPECT_EQ(reminded().size(), 2u);
}

TEST_F(Referrals, TellsWhoWaitsForALoadWhatPartsOfShardsItHas) {
  join_all(1, 4);
  for (uint32_t i = 1; i <= 3; ++i) search(i, first_shards(14));
  using part = std::pair<device_life, digest>;
  const auto parts = [&] {
    std::map<uint32_t, std::vector<part>> all;
    for (const auto& [by, news] : referrals_.take_all_news()) {
      EXPECT_THAT(news.holders, IsEmpty());
      all[by.value] = news.parts;
    }
    return all;
  };
  referrals_.brings({1}, shard(0));
  referrals_.brings({1}, shard(0));
  EXPECT_THAT(parts(), ElementsAre(testing::Pair(2u, ElementsAre(part({1}, shard(0))))));
  EXPECT_THAT(parts(), IsEmpty()) << "once";
  EXPECT_THAT(search(4, first_shards(14)).parts, IsEmpty()) << "it waits for 3, which has nothing yet";
  referrals_.brings({2}, shard(0));
  EXPECT_THAT(parts(), ElementsAre(testing::Pair(3u, ElementsAre(part({2}, shard(0))))));
  referrals_.end_search({3});
  EXPECT_THAT(parts(), ElementsAre(testing::Pair(4u, ElementsAre(part({1}, shard(0)))))) << "it waits for 1 now";
  hold(1, 0);
  EXPECT_EQ(told(), (std::map<uint32_t, std::vector<uint32_t>>{{2, {1}}, {4, {1}}})) << "the rest";
}

TEST_F(Referrals, TellsNobodyOfPartsOfWhatIsNotLookedFor) {
  join_all(1, 2);
  referrals_.brings({1}, shard(0));
  search(2, {shard(0)});
  referrals_.brings({1}, shard(0)); // an earlier load's, that has been given up
  EXPECT_THAT(referrals_.take_all_news(), IsEmpty());
}

TEST_F(Referrals, WaitsForEarlierLoadsOnly) {
  join_all(1, 2);
  EXPECT_THAT(search(2, {shard(0)}).awaited, IsEmpty());
  EXPECT_THAT(search(1, {shard(0)}).awaited, IsEmpty());
}

TEST_F(Referrals, SendsNobodyAwayFromTheStoresHost) {
  join(1, 7);
  join(2, 9, true);
  join(3, 9, true);
  search(1, {shard(0)});
  EXPECT_THAT(search(2, {shard(0)}).awaited, IsEmpty());
  EXPECT_THAT(search(3, {shard(0)}).awaited, ElementsAre(shard(0))) << "on the same host";
}

TEST_F(Referrals, WaitsForAnotherLoadWhenOneEnds) {
  join_all(1, 3);
  for (uint32_t i = 1; i <= 3; ++i) search(i, {shard(0)});
  referrals_.end_search({2}); // 3 has waited for it
  EXPECT_THAT(referrals_.take_all_news(), IsEmpty()) << "it goes on waiting";
  hold(1, 0);
  EXPECT_THAT(told(), ElementsAre(testing::Pair(3u, ElementsAre(1u))));
}

TEST_F(Referrals, SaysWhenThereIsNobodyToWaitForAnyMore) {
  join_all(1, 2);
  search(1, {shard(0)});
  search(2, {shard(0)});
  referrals_.lost({1});
  const auto news = referrals_.take_all_news();
  ASSERT_EQ(news.size(), 1u);
  EXPECT_THAT(news[0].second.not_awaited, ElementsAre(shard(0)));
}

TEST_F(Referrals, NamesOthersWhenAllThatItNamedAreLost) {
  join_all(1, 20);
  for (uint32_t i = 1; i <= 16; ++i) hold(i, 0);
  const auto named = holders(search(20, {shard(0)}));
  for (size_t i = 0; i + 1 < named.size(); ++i) {
    referrals_.lost({named[i]});
    EXPECT_THAT(told(), IsEmpty()) << "there are others";
  }
  referrals_.drops({named.back()}, shard(0));
  const auto then = told();
  ASSERT_EQ(then.size(), 1u);
  EXPECT_EQ(then.at(20).size(), 8u);
}

TEST_F(Referrals, NamesOthersToWhoAsksAgain) {
  join_all(1, 20);
  for (uint32_t i = 1; i <= 10; ++i) hold(i, 0);
  auto tried = holders(search(20, {shard(0)}));
  const auto others = holders(again(20, {shard(0)}));
  EXPECT_EQ(others.size(), 2u);
  tried.insert(tried.end(), others.begin(), others.end());
  EXPECT_EQ(std::set<uint32_t>(tried.begin(), tried.end()).size(), 10u);
  EXPECT_THAT(holders(again(20, {shard(0)})), IsEmpty());
  hold(11, 0);
  EXPECT_THAT(told(), ElementsAre(testing::Pair(20u, ElementsAre(11u))));
}

TEST_F(Referrals, NamesAHolderThatIsReadByOthersToWhoHasWaitedInVain) {
  join_all(1, 3);
  for (uint32_t i = 1; i <= 3; ++i) search(i, first_shards(14));
  hold(1, 0);
  EXPECT_THAT(told(), ElementsAre(testing::Pair(2u, ElementsAre(1u))));
  EXPECT_THAT(holders(again(3, {shard(0)})), ElementsAre(1u)) << "2 hangs";
}

TEST_F(Referrals, TellsAgainOfWhatLiesElsewhereNow) {
  join_all(1, 2);
  hold(1, 0);
  search(2, {shard(0)});
  hold(1, 0);
  EXPECT_THAT(told(), ElementsAre(testing::Pair(2u, ElementsAre(1u))));
}

TEST_F(Referrals, KeepsNothingOfWhatHasEnded) {
  join_all(1, 3);
  hold(1, 0);
  search(2, {shard(0), shard(1)});
  search(3, {shard(1)});
  referrals_.end_search({2});
  referrals_.lost({3});
  referrals_.drops({1}, shard(0));
  EXPECT_EQ(referrals_.shards(), 0u);
  EXPECT_THAT(referrals_.take_all_news(), IsEmpty());
}

// Everything that a searching load has been told, as it would keep it.
struct listener {
  uint64_t load = 0;
  std::set<digest> wants;
  std::map<digest, std::set<uint32_t>> named, tried;
  std::set<digest> awaited;
};

// Random devices join, are lost, get and drop shards, search, give up. After every step and what it has to tell: what a
// search knows is true, is bounded, and of every shard that another node's live device holds it knows one such device,
// or waits for a load, or asks again and then does.
class everybody {
public:
  explicit everybody(uint64_t seed) : random_(seed) {}

  void run(int steps) {
    for (int i = 0; i < steps && !testing::Test::HasFatalFailure(); ++i) {
      step();
      hear();
      look();
    }
  }

private:
  static constexpr uint32_t shards = 12, most_devices = 30;

  void step() {
    if (random_.below(10) == 0) referrals_.remind();
    const auto what = random_.below(20);
    if (what < 2 || devices_.empty()) return join();
    const auto device = any();
    const auto number = shard(static_cast<uint32_t>(random_.below(shards)));
    auto& of = devices_.at(device);
    if (what == 2) {
      referrals_.lost({device});
      devices_.erase(device);
      for (auto& [other, one] : searches_)
        for (auto* known : {&one.named, &one.tried})
          for (auto& [named, by] : *known) by.erase(device);
      searches_.erase(device);
    } else if (what < 9) {
      referrals_.holds({device}, number);
      of.holds.insert(number);
      if (const auto own = searches_.find(device); own != searches_.end()) own->second.wants.erase(number);
    } else if (what < 12) {
      referrals_.drops({device}, number);
      of.holds.erase(number);
      for (auto& [other, one] : searches_)
        if (const auto named = one.named.find(number); named != one.named.end()) named->second.erase(device);
    } else if (what < 16) {
      search(device);
    } else if (what == 16) {
      referrals_.end_search({device});
      searches_.erase(device);
    } else if (const auto own = searches_.find(device); own != searches_.end() && own->second.wants.contains(number)) {
      ask_again(device, own->second, number);
    }
  }

  void join() {
    if (devices_.size() >= most_devices) return;
    const auto device = next_++;
    const auto host = static_cast<uint32_t>(random_.below(4));
    const auto node = host * 8 + static_cast<uint32_t>(random_.below(8));
    referrals_.joined({device}, {node, host, host == 0});
    devices_[device] = {node, host, {}};
  }

  void search(uint32_t device) {
    std::vector<digest> wanted;
    listener begun;
    begun.load = random_.below(2) == 0 ? ++loads_ : random_.below(loads_ + 1);
    for (uint32_t i = 0; i < shards; ++i) {
      if (random_.below(2) == 0 || devices_.at(device).holds.contains(shard(i))) continue;
      wanted.push_back(shard(i));
      begun.wants.insert(shard(i));
    }
    referrals_.begin_search({device}, {begun.load}, wanted);
    searches_[device] = begun;
  }

  void ask_again(uint32_t device, listener& by, const digest& number) {
    auto& named = by.named[number];
    by.tried[number].insert(named.begin(), named.end());
    named.clear();
    by.awaited.erase(number);
    referrals_.search_again({device}, std::vector{number});
  }

  void hear() {
    for (const auto& [by, news] : referrals_.take_all_news()) {
      ASSERT_TRUE(searches_.contains(by.value));
      auto& heard = searches_.at(by.value);
      for (const auto& [holder, number] : news.holders) {
        ASSERT_TRUE(heard.wants.contains(number));
        ASSERT_FALSE(heard.tried[number].contains(holder.value)) << "it has tried that one";
        heard.named[number].insert(holder.value);
        heard.awaited.erase(number);
      }
      for (const auto& number : news.not_awaited) ASSERT_EQ(heard.awaited.erase(number), 1u);
      for (const auto& number : news.awaited) heard.awaited.insert(number);
    }
  }

  void look() {
    for (auto& [by, one] : searches_) {
      for (const auto& number : one.wants) {
        const auto& named = one.named[number];
        ASSERT_LE(named.size(), referral_options().most_holders);
        for (const auto holder : named) ASSERT_TRUE(can_give(holder, by, number));
        if (one.awaited.contains(number)) {
          ASSERT_TRUE(somebody_brings(number, by, one.load));
        } else if (named.empty() && has_untried(by, one, number)) {
          ask_again(by, one, number);
          hear();
          ASSERT_FALSE(named.empty()) << by << " does not hear of a holder";
        }
      }
    }
  }

  bool has_untried(uint32_t by, listener& one, const digest& number) {
    return std::ranges::any_of(devices_, [&](const auto& other) {
      return can_give(other.first, by, number) && !one.tried[number].contains(other.first);
    });
  }

  bool can_give(uint32_t holder, uint32_t by, const digest& number) const {
    const auto found = devices_.find(holder);
    return found != devices_.end() && found->second.holds.contains(number) &&
           found->second.node != devices_.at(by).node;
  }
  bool somebody_brings(const digest& number, uint32_t by, uint64_t load) const {
    return std::ranges::any_of(searches_, [&](const auto& other) {
      const auto& own = devices_.at(by);
      const auto& its = devices_.at(other.first);
      return other.second.load < load && other.second.wants.contains(number) && its.node != own.node &&
             (its.host == own.host || own.host != 0);
    });
  }
  uint32_t any() { return std::next(devices_.begin(), static_cast<long>(random_.below(devices_.size())))->first; }

  struct member {
    uint32_t node = 0, host = 0;
    std::set<digest> holds;
  };
  core::prng random_;
  referrals referrals_;
  std::map<uint32_t, member> devices_;
  std::map<uint32_t, listener> searches_;
  uint32_t next_ = 1;
  uint64_t loads_ = 0;
};

TEST(ReferralsProperty, EverySearchCanReachEveryShardThatALiveDeviceHolds) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    everybody(seed).run(1000);
    if (testing::Test::HasFatalFailure()) return;
  }
}

} // namespace
} // namespace fastptm::policy
