// Few requests: nothing is loaded that need not be, and what is given up is what is missed least.
#include <array>
#include <map>

#include <gtest/gtest.h>

#include "policy/scheduling/board.hpp"
#include "policy/scheduling/core.hpp"
#include "policy/scheduling/explain.hpp"

namespace fastptm::policy::scheduling {
namespace {

constexpr uint64_t mib = 1 << 20;
constexpr duration_us second_us = 1'000'000;

// Models of 10 MiB; every command is carried out at once and takes what the test says.
class LightLoad : public testing::TestWithParam<uint32_t> {
protected:
  // Devices with room for `sets` each; GetParam() models more than are asked for decide whether all pairs of lane and
  // model are compared.
  void make(uint32_t devices, uint64_t sets) {
    core = make_core({}).value();
    for (uint32_t x = 0; x < 32 + GetParam(); ++x) {
      const std::array shards{shard_size{{x}, 10 * mib}};
      tell(model_added{.model = {x}, .shards = shards, .cost = {500, 27'000}});
    }
    for (uint32_t d = 0; d < devices; ++d)
      tell(device_joined{.device = {d}, .arena_bytes = sets * 10 * mib, .kind = 0});
  }
  void tell(const event& e) {
    ASSERT_EQ(core->on(e, now, out), rejection::none);
    std::vector<event> follow;
    for (const command& c : out.all()) {
      if (const auto* l = std::get_if<load>(&c)) {
        ++loads;
        follow.push_back(load_done{l->device, l->id, 10 * mib, 3'000});
      }
      if (const auto* r = std::get_if<run>(&c)) {
        ran_on[r->model.value] = r->device.value;
        follow.push_back(batch_done{r->device, r->id, run_us});
      }
    }
    for (const event& e2 : follow) {
      now += 1'000;
      tell(e2);
    }
  }
  void ask(uint32_t model, duration_us within_us = 3 * second_us) {
    now += 100'000;
    tell(arrival{{slots++, 0}, {model}, now + within_us});
  }

  std::unique_ptr<scheduling_core> core;
  commands out;
  time_us now = second_us;
  uint32_t slots = 0, loads = 0;
  duration_us run_us = 9'900;
  std::map<uint32_t, uint32_t> ran_on;
};

TEST_P(LightLoad, LoadsEachModelOnceWhereAllFitThoughOneDeviceAloneWasMeasured) {
  make(3, 3);
  for (int round = 0; round < 4; ++round)
    for (uint32_t x = 0; x < 9; ++x) ask(x);
  EXPECT_EQ(loads, 9u);
}

TEST_P(LightLoad, LoadsNoMoreWhenTheFirstMeasurementWasThreeTimesTooLong) {
  make(3, 3);
  run_us = 90'000;
  ask(0);
  run_us = 9'900;
  for (int round = 0; round < 4; ++round)
    for (uint32_t x = 0; x < 9; ++x) ask(x);
  EXPECT_EQ(loads, 9u);
}

TEST_P(LightLoad, GivesUpWhatIsAskedForLeast) {
  make(1, 3);
  for (int round = 0; round < 8; ++round) {
    ask(0);
    ask(1);
  }
  for (uint32_t x = 2; x < 12; ++x) ask(x); // One after the other in the same place, though 0 and 1 are older.
  EXPECT_EQ(loads, 12u);
  ask(0);
  ask(1);
  EXPECT_EQ(loads, 12u);
}

TEST_P(LightLoad, WaitsForAHolderThatWillBeThroughInTime) {
  make(2, 2);
  ask(0);
  EXPECT_EQ(loads, 1u);
  // A batch of the holder is under way; the other device is empty.
  now += 100'000;
  ASSERT_EQ(core->on(arrival{{slots++, 0}, {0}, now + 3 * second_us}, now, out), rejection::none);
  core->on(arrival{{slots++, 0}, {0}, now + 3 * second_us}, now, out);
  for (const command& c : out.all()) EXPECT_FALSE(std::holds_alternative<load>(c));
}

TEST_P(LightLoad, MakesACopyWhereADeadlineSaysSo) {
  make(2, 2);
  for (int i = 0; i < 30; ++i) ask(0); // The estimate is right by now: 9.9 ms.
  now += 100'000;
  bool copied = false;
  for (int i = 0; i < 60; ++i) { // 0.6 s of work within 0.2 s
    core->on(arrival{{slots++, 0}, {0}, now + 200'000}, now, out);
    for (const command& c : out.all()) copied |= std::holds_alternative<load>(c);
  }
  EXPECT_TRUE(copied);
}

TEST_P(LightLoad, ExplainsWhatWouldGoAndItsPrice) {
  make(1, 2);
  for (int round = 0; round < 5; ++round) ask(0);
  ask(1);
  const auto terms = explain(*core, {2}).devices.at(0);
  EXPECT_EQ(terms.would_go, std::vector{model_index{1}});
  EXPECT_GT(terms.price_us, 0);
  EXPECT_LT(terms.price_us, static_cast<double>(core->state().load_us({2}, {0})));
  EXPECT_TRUE(explain(*core, {0}).devices.at(0).would_go.empty());
}

// 0 models more: all pairs are compared; 300 more: lists are kept.
INSTANTIATE_TEST_SUITE_P(Close, LightLoad, testing::Values(0u));
INSTANTIATE_TEST_SUITE_P(Wide, LightLoad, testing::Values(300u));

} // namespace
} // namespace fastptm::policy::scheduling
