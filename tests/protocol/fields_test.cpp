// Fields are named once, and no floating point is among them.
#include "protocol/fields.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/joining.hpp"

namespace fastptm::protocol {

struct with_ratio {
  uint64_t bytes = 0;
  double ratio = 0;
};
FASTPTM_FIELDS(with_ratio, bytes, ratio)

struct with_ratios_inside {
  std::vector<std::array<with_ratio, 2>> parts;
};
FASTPTM_FIELDS(with_ratios_inside, parts)

namespace {

// What inspect() asserts of every message: these would not compile as one.
static_assert(!may_travel<with_ratio>::value);
static_assert(!may_travel<with_ratios_inside>::value);
static_assert(!may_travel<std::vector<float>>::value);
static_assert(may_travel<load_report>::value && may_travel<join_request>::value && may_travel<infer_reply>::value);

template <class T> std::vector<std::string> names() {
  std::vector<std::string> out;
  core::for_each_field_of<T>([&](const auto& each) { out.emplace_back(each.name); });
  return out;
}

TEST(Fields, HaveTheNamesOfTheMembersInOrder) {
  EXPECT_THAT(names<lease_terms>(), testing::ElementsAre("registration", "heartbeat_us", "lease_us"));
}

TEST(Fields, OfABaseComeFirst) {
  EXPECT_THAT(names<model_status>(),
              testing::ElementsAre("name", "architecture", "bytes", "shards", "task", "queued", "late"));
}

TEST(Fields, AreVisitedWithTheirValues) {
  planned_load load{"acme/m@1", load_reason::replica, 7};
  core::for_each_field(load, [](std::string_view name, auto& value) {
    if constexpr (std::is_same_v<std::decay_t<decltype(value)>, int64_t>) value += name == "remaining_us" ? 1 : 100;
  });
  EXPECT_EQ(load.remaining_us, 8);
}

TEST(Fields, AppearInLogsUnderTheStructsName) {
  EXPECT_EQ(caf::deep_to_string(load_reply{1, 2}), "load_reply(1, 2)");
}

} // namespace
} // namespace fastptm::protocol
