// Our structs and the schemas have the same fields, and cross whole.
#include "schemas/by_name.hpp"

#include <capnp/message.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/json_fields.hpp"
#include "protocol/reports/explanation.hpp"
#include "protocol/reports/loads.hpp"
#include "protocol/reports/publication.hpp"
#include "protocol/reports/status.hpp"
#include "schemas/report.capnp.h"
#include "tests/schemas/same_fields.hpp"

namespace fastptm::tests {

// Lacks a field of LoadReport.Limit, has one that it lacks, and has another type of a third.
struct unlike_limit {
  int32_t link = 0;
  uint64_t rate_bps = 0;
  std::string from, to;
  bool is_measured = false;
  bool is_known = false;
};
FASTPTM_FIELDS(unlike_limit, link, rate_bps, from, to, is_measured, is_known)

enum class unlike_reason { request, replica, prefetch };
FASTPTM_NAMES(unlike_reason, request, replica, prefetch)

struct unlike_load {
  std::string model;
  unlike_reason reason{};
  std::vector<int64_t> remaining_us;
};
FASTPTM_FIELDS(unlike_load, model, reason, remaining_us)

namespace {

using testing::ElementsAre;

template <class T, class Schema> std::vector<std::string> differences() {
  field_walk walk;
  walk.compare<T>(capnp::Schema::from<Schema>(), "it");
  return walk.differences;
}

TEST(ByName, ReportsHaveTheFieldsOfTheirSchemas) {
  using none = std::vector<std::string>;
  EXPECT_EQ((differences<protocol::cluster_status, schema::ClusterStatus>()), none());
  EXPECT_EQ((differences<protocol::load_report, schema::LoadReport>()), none());
  EXPECT_EQ((differences<protocol::running_load, schema::RunningLoad>()), none());
  EXPECT_EQ((differences<protocol::explanation, schema::Explanation>()), none());
  EXPECT_EQ((differences<protocol::publication, schema::Publication>()), none());
}

// This test's own walk can find something.
TEST(ByName, TheWalkFindsWhatIsMissingOnEitherSideOrOfAnotherType) {
  EXPECT_THAT((differences<unlike_limit, schema::LoadReport::Limit>()),
              ElementsAre("it.link: of another type in the schema", "it.is_known: not in the schema",
                          "it.fractionPpm: only in the schema"));
  EXPECT_THAT((differences<unlike_load, schema::PlannedLoad>()),
              ElementsAre("it.reason: other names, or in another order", "it.remaining_us: no list in the schema"));
}

// Every field of a struct gets a value of its own, every list two elements.
class filler {
public:
  template <class T> void fill(T& to) {
    if constexpr (core::described<T>) {
      core::for_each_field(to, [this](std::string_view, auto& value) { fill(value); });
    } else if constexpr (schema::is_list<T>::value) {
      to.resize(2);
      for (auto& each : to) fill(each);
    } else if constexpr (schema::is_strong_id<T>::value) {
      fill(to.value);
    } else if constexpr (core::named<T>) {
      to = static_cast<T>(++next_ % names_of(std::type_identity<T>{}).size());
    } else if constexpr (std::is_same_v<T, std::string>) {
      to = "text " + std::to_string(++next_);
    } else if constexpr (std::is_same_v<T, bool>) {
      to = true;
    } else {
      to = static_cast<T>(++next_);
    }
  }

private:
  uint32_t next_ = 0;
};

template <class T, class Schema> void expect_to_cross_whole() {
  T sent;
  filler().fill(sent);
  capnp::MallocMessageBuilder message;
  auto root = message.initRoot<Schema>();
  schema::write(root, sent);
  const auto got = schema::read_as<T>(root.asReader());
  EXPECT_EQ(core::json_of(got), core::json_of(sent));
}

TEST(ByName, EveryFieldCrosses) {
  expect_to_cross_whole<protocol::cluster_status, schema::ClusterStatus>();
  expect_to_cross_whole<protocol::load_report, schema::LoadReport>();
  expect_to_cross_whole<protocol::running_load, schema::RunningLoad>();
  expect_to_cross_whole<protocol::explanation, schema::Explanation>();
  expect_to_cross_whole<protocol::publication, schema::Publication>();
}

TEST(ByName, ANumberOfANewerClusterIsNotTakenForAName) {
  capnp::MallocMessageBuilder message;
  auto load = message.initRoot<schema::PlannedLoad>();
  load.setReason(static_cast<schema::LoadReason>(77));
  EXPECT_EQ(schema::read_as<protocol::planned_load>(load.asReader()).reason, protocol::load_reason::request);
}

TEST(ByName, NegativeTimesAndTextsWithZerosStayWhatTheyAre) {
  protocol::explanation sent;
  sent.head_remaining_us = -5;
  sent.model = std::string("a\0b", 3);
  capnp::MallocMessageBuilder message;
  auto root = message.initRoot<schema::Explanation>();
  schema::write(root, sent);
  const auto got = schema::read_as<protocol::explanation>(root.asReader());
  EXPECT_EQ(got.head_remaining_us, -5);
  EXPECT_EQ(got.model.size(), 3u);
}

} // namespace
} // namespace fastptm::tests
