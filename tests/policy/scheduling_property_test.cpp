// The rules hold whatever happens, for every strategy; and every rule notices when it is broken.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

INSTANTIATE_TEST_SUITE_P(EveryStrategy, Rules, testing::ValuesIn(strategy_names()),
                         [](const auto& tested) { return std::string(tested.param); });

// ---- planted faults: each rule must notice its own
// -----------------------------------------------------------------------

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
              testing::AnyOf(testing::HasSubstr("more bytes"), testing::HasSubstr("a load of a set that is there")));
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

TEST(PlantedFault, ATimerThatIsLostIsNoticed) {
  const auto lost = planted([](auto& list, auto&) {
    std::erase_if(list, [](const command& c) { return std::holds_alternative<set_timer>(c); });
  });
  EXPECT_NE(run_case("dxv", 1, 300, lost).transcript, run_case("dxv", 1, 300).transcript);
}

} // namespace

} // namespace fastptm::policy::scheduling
