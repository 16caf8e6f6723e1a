// The rules that a scheduler's bytes are compared with, on workloads small enough to follow by hand.
#include "sim/memory_rules.hpp"

#include <gtest/gtest.h>

namespace fastptm::sim {
namespace {

// Models of one byte each unless `large` says otherwise, asked for in the order of the letters.
workload asked(std::string_view letters, std::string_view large = "") {
  workload w;
  w.classes = {{1, 1, 1, 1}, {2, 1, 1, 1}};
  for (char c = 'a'; c <= 'e'; ++c) w.class_of.push_back(large.find(c) == large.npos ? 0 : 1);
  for (size_t i = 0; i < letters.size(); ++i) w.requests.push_back({i, static_cast<uint32_t>(letters[i] - 'a')});
  return w;
}

uint64_t loads(std::string_view letters, uint32_t memories, uint64_t bytes, memory_rule rule) {
  return load_by_rule(asked(letters), memories, bytes, rule).loads;
}

TEST(MemoryRules, LoadEachSetOnceWhereAllFit) {
  for (const auto rule : {memory_rule::least_recent, memory_rule::known_rates, memory_rule::known_future}) {
    EXPECT_EQ(loads("abcdabcd", 1, 4, rule), 4u);
    EXPECT_EQ(loads("abcdabcd", 2, 2, rule), 4u);
  }
}

TEST(MemoryRules, GiveUpByRecencyRateOrFuture) {
  EXPECT_EQ(loads("abcabcabc", 1, 2, memory_rule::least_recent), 9u) << "the next one asked for has just gone";
  EXPECT_EQ(loads("abcabcabc", 1, 2, memory_rule::known_future), 6u);
  EXPECT_EQ(loads("aabaacaabaacaa", 1, 2, memory_rule::known_rates), 5u) << "a stays, b and c take turns";
}

TEST(MemoryRules, KeepTheirMemoriesApart) {
  // Two memories of one byte hold two sets of one byte, but no set of two.
  const auto w = asked("ab", "b");
  const auto got = load_by_rule(w, 2, 1, memory_rule::least_recent);
  EXPECT_EQ(got.loads, 1u);
  EXPECT_EQ(load_by_rule(w, 1, 3, memory_rule::least_recent).bytes, 3u);
}

TEST(MemoryRules, SpareWhoNeedNotGo) {
  // b (two bytes) makes room for c by itself: a, which came before it, stays.
  const auto w = asked("aabbca", "bc");
  EXPECT_EQ(load_by_rule(w, 1, 3, memory_rule::known_rates).loads, 3u);
}

} // namespace
} // namespace fastptm::sim
