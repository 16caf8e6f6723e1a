// The rules hold whatever happens, for every strategy; and every rule notices when it is broken.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>

#include "tests/policy/random_cluster.hpp"

namespace fastptm::policy::scheduling {

namespace {

class Rules : public testing::TestWithParam<std::string_view> {};

TEST_P(Rules, HoldWhateverHappens) {
  for (uint64_t seed = 1; seed <= 250; ++seed) {
    const case_result r = run_case(GetParam(), seed, 400);
    ASSERT_TRUE(r.problems.empty()) << r.problems.front();
    ASSERT_GT(r.requests, 0u);
  }
}

TEST_P(Rules, SameSeedSameCommands) {
  for (uint64_t seed = 1; seed <= 20; ++seed)
    ASSERT_EQ(run_case(GetParam(), seed, 300).transcript, run_case(GetParam(), seed, 300).transcript)
        << "seed " << seed;
  EXPECT_NE(run_case(GetParam(), 1, 300).transcript, run_case(GetParam(), 2, 300).transcript);
}

// One lane with memory for one set, twice the requests it can serve, nearly all for one model; now and then one for
// another tenant's. Loads may be put off, and late requests are served last: the worst there is for the others.
struct flood_result {
  std::vector<std::string> problems;
  uint32_t rare = 0, rare_on_time = 0;
  duration_us longest_wait_us = 0; // Of any request.
};

flood_result flood(std::string_view strategy, uint64_t seed) {
  constexpr duration_us exec_us = 10'000, load_us = 50'000, deadline_us = 1'000'000, end_us = 12'000'000;
  options o;
  o.strategy = strategy;
  o.max_batch = 1;
  o.hold = 4;
  o.hold_guard_us = 100'000;
  o.load_base_us = load_us;
  o.layers = 1;
  o.late_patience_us = 2'000'000;
  watched_core core(o, seed);
  core::prng random(seed);
  const std::array shards{shard_size{{0}, 1}}, others{shard_size{{1}, 1}};
  core.tell(model_added{.model = {0}, .shards = shards, .cost = {0, exec_us}}, 1);
  core.tell(model_added{.model = {1}, .tenant = {1}, .shards = others, .cost = {0, exec_us}}, 1);
  core.tell(device_joined{.device = {0}, .arena_bytes = 1}, 1);
  flood_result r;
  std::map<uint64_t, time_us> ends; // By batch or load.
  std::map<uint32_t, std::pair<time_us, bool>> came;
  uint32_t slot = 0;
  for (time_us now = 1'000; now < end_us && core.problems().empty(); now += 1'000) {
    if (random.below(5) == 0) {
      const bool rare = random.below(100) == 0 && now < end_us - 5'000'000;
      core.tell(arrival{{slot, 0}, {rare ? 1u : 0u}, now + deadline_us}, now);
      came[slot++] = {now, rare};
      r.rare += rare ? 1 : 0;
    }
    for (const auto& l : std::vector(core.loads()))
      if (ends.try_emplace(l.id.value << 1, now + load_us).first->second <= now)
        core.tell(load_done{l.device, l.id}, now);
    for (const auto& b : std::vector(core.batches())) {
      if (!core.can_finish(b) || ends.try_emplace(b.id.value << 1 | 1, now + exec_us).first->second > now) continue;
      const auto [at_us, rare] = came[b.requests.front().slot];
      r.rare_on_time += rare && now <= at_us + deadline_us ? 1 : 0;
      core.tell(batch_done{b.device, b.id, exec_us}, now);
    }
    if (core.timer_us() != 0 && core.timer_us() <= now) core.tell(timer{}, now);
    std::erase_if(came, [&](const auto& one) {
      if (core.holds_slot(one.first)) return false;
      r.longest_wait_us = std::max(r.longest_wait_us, now - one.second.first);
      return true;
    });
  }
  for (const auto& [which, one] : came) r.longest_wait_us = std::max(r.longest_wait_us, end_us - one.first);
  r.problems = core.problems();
  return r;
}

TEST_P(Rules, NobodyStarvesUnderAFlood) {
  constexpr duration_us most_us = 1'000'000 + 2'000'000 + 1'100'000; // Deadline, patience, a look around and a batch.
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    const flood_result r = flood(GetParam(), seed);
    EXPECT_THAT(r.problems, testing::IsEmpty()) << "seed " << seed;
    EXPECT_GT(r.rare, 5u) << "seed " << seed;
    EXPECT_LE(r.longest_wait_us, most_us) << "seed " << seed;
    if (GetParam() == "dxv") {
      EXPECT_EQ(r.rare_on_time, r.rare) << "seed " << seed;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EveryStrategy, Rules, testing::ValuesIn(strategy_names()),
                         [](const auto& tested) { return std::string(tested.param); });

// -- planted faults: each rule must notice its own --------------------------------------------------------------------

using change = std::function<void(std::vector<command>&, std::vector<request_ref>&)>;

std::function<commands(const commands&)> planted(const change& fault) {
  return [fault](const commands& out) {
    std::vector<command> list(out.all().begin(), out.all().end());
    std::vector<request_ref> requests;
    for (command& c : list) {
      if (auto* r = std::get_if<run>(&c)) {
        const auto of = out.requests_of(*r);
        r->first = static_cast<uint32_t>(requests.size());
        requests.insert(requests.end(), of.begin(), of.end());
      }
    }
    fault(list, requests);
    commands changed;
    for (const command& c : list) changed.add(c);
    for (const request_ref q : requests) changed.add_request(q);
    return changed;
  };
}

// The words of the first problem that any of a few cases finds.
std::string found_by_the_rules(const change& fault) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    const case_result r = run_case("dxv", seed, 400, planted(fault));
    if (!r.problems.empty()) return r.problems.front();
  }
  return "nothing";
}

template <class Command> Command* first_of(std::vector<command>& list) {
  for (command& c : list)
    if (auto* found = std::get_if<Command>(&c)) return found;
  return nullptr;
}

TEST(PlantedFault, ABatchThatIsNeverCommandedIsNoticed) {
  int n = 0;
  EXPECT_THAT(found_by_the_rules([&](auto& list, auto&) {
                if (++n % 40 == 0) std::erase_if(list, [](const command& c) { return std::holds_alternative<run>(c); });
              }),
              testing::AnyOf(testing::HasSubstr("idles"), testing::HasSubstr("never answered"),
                             testing::HasSubstr("not under way")));
}

TEST(PlantedFault, AnEvictThatIsForgottenIsNoticed) {
  EXPECT_THAT(found_by_the_rules([](auto& list, auto&) {
                std::erase_if(list, [](const command& c) { return std::holds_alternative<evict>(c); });
              }),
              testing::AnyOf(testing::HasSubstr("more bytes"), testing::HasSubstr("a load of a set that is there"),
                             testing::HasSubstr("does not find the places")));
}

TEST(PlantedFault, ALoadThatIsForgottenIsNoticed) {
  EXPECT_THAT(
      found_by_the_rules([](auto& list, auto&) {
        std::erase_if(list, [](const command& c) { return std::holds_alternative<load>(c); });
      }),
      testing::AnyOf(testing::HasSubstr("a run of a set that is not there"), testing::HasSubstr("never answered")));
}

TEST(PlantedFault, AnEvictOfASetInUseIsNoticed) {
  EXPECT_THAT(found_by_the_rules([](auto& list, auto&) {
                if (const run* r = first_of<run>(list)) list.push_back(evict{r->device, r->model});
              }),
              testing::HasSubstr("a set is evicted that a batch uses"));
}

TEST(PlantedFault, ASecondBatchOnABusyLaneIsNoticed) {
  EXPECT_THAT(found_by_the_rules([](auto& list, auto& requests) {
                if (const run* r = first_of<run>(list)) {
                  run second = *r;
                  second.id.value += 1'000'000;
                  second.first = static_cast<uint32_t>(requests.size());
                  second.count = 1;
                  requests.push_back({1'000'000, 0});
                  list.push_back(second);
                }
              }),
              testing::HasSubstr("a second batch on a busy lane"));
}

TEST(PlantedFault, ARequestInTwoBatchesIsNoticed) {
  std::vector<request_ref> before;
  EXPECT_THAT(found_by_the_rules([&](auto& list, auto& requests) {
                if (const run* r = first_of<run>(list)) {
                  const std::vector<request_ref> now(requests.begin() + r->first,
                                                     requests.begin() + r->first + r->count);
                  if (!before.empty()) requests[r->first] = before.front();
                  before = now;
                }
              }),
              testing::AnyOf(testing::HasSubstr("in two batches"), testing::HasSubstr("of another model"),
                             testing::HasSubstr("does not hold")));
}

TEST(PlantedFault, ABatchOfAnotherModelIsNoticed) {
  EXPECT_THAT(
      found_by_the_rules([](auto& list, auto&) {
        if (run* r = first_of<run>(list)) r->model.value ^= 1;
      }),
      testing::AnyOf(testing::HasSubstr("of another model"), testing::HasSubstr("a run of a set that is not there")));
}

TEST(PlantedFault, ARunThatDoesNotWaitForItsLoadIsNoticed) {
  EXPECT_THAT(found_by_the_rules([](auto& list, auto&) {
                if (run* r = first_of<run>(list)) r->waits_for = {};
              }),
              testing::HasSubstr("a run waits for the wrong load"));
}

TEST(PlantedFault, ATooLargeBatchIsNoticed) {
  EXPECT_THAT(found_by_the_rules([](auto& list, auto& requests) {
                if (run* r = first_of<run>(list)) {
                  const auto first = static_cast<uint32_t>(requests.size());
                  for (uint32_t i = 0; i < 9; ++i) requests.push_back(requests[r->first]);
                  r->first = first;
                  r->count = 9;
                }
              }),
              testing::HasSubstr("a batch of 9"));
}

TEST(PlantedFault, AnAnswerGivenTwiceIsNoticed) {
  EXPECT_THAT(found_by_the_rules([](auto& list, auto&) {
                if (const refuse* f = first_of<refuse>(list)) list.push_back(refuse{*f});
              }),
              testing::HasSubstr("leaves twice"));
}

TEST(PlantedFault, ARefusalThatIsLostIsNoticed) {
  EXPECT_THAT(found_by_the_rules([](auto& list, auto&) {
                std::erase_if(list, [](const command& c) { return std::holds_alternative<refuse>(c); });
              }),
              testing::AnyOf(testing::HasSubstr("answered"), testing::HasSubstr("waits for ever")));
}

TEST(PlantedFault, ARequestThatIsPassedOverForEverIsNoticed) {
  EXPECT_THAT(found_by_the_rules([](auto& list, auto& requests) {
                for (command& c : list) { // Whoever stands in the first slot leaves every batch.
                  auto* r = std::get_if<run>(&c);
                  if (r == nullptr || r->count < 2) continue;
                  const auto last = r->first + r->count - 1;
                  for (uint32_t i = r->first; i < last; ++i)
                    if (requests[i].slot == 0) std::swap(requests[i], requests[last]);
                  if (requests[last].slot == 0) --r->count;
                }
              }),
              testing::AnyOf(testing::HasSubstr("waits for ever"), testing::HasSubstr("answered")));
}

TEST(PlantedFault, CommandsThatDependOnMoreThanTheEventsAreNoticed) {
  int calls = 0; // Of both runs together, like a clock or an address would be.
  const auto other = planted([&](auto& list, auto&) {
    if (++calls % 7 == 0) std::reverse(list.begin(), list.end());
  });
  EXPECT_NE(run_case("dxv", 1, 300, other).transcript, run_case("dxv", 1, 300, other).transcript);
}

TEST(PlantedFault, ATimerThatIsLostIsNoticed) {
  const auto lost = planted([](auto& list, auto&) {
    std::erase_if(list, [](const command& c) { return std::holds_alternative<set_timer>(c); });
  });
  EXPECT_NE(run_case("dxv", 1, 300, lost).transcript, run_case("dxv", 1, 300).transcript);
}

} // namespace

} // namespace fastptm::policy::scheduling
