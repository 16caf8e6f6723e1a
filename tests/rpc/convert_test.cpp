// The statuses of the schema are those of core/, number by number and name by name.
#include "rpc/convert.hpp"

#include <capnp/schema.h>
#include <gtest/gtest.h>

namespace fastptm::rpc {
namespace {

// deadlineExceeded -> deadline_exceeded
std::string snake_case(kj::StringPtr camel) {
  std::string out;
  for (const char c : camel) {
    if (c >= 'A' && c <= 'Z') out += '_';
    out += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  }
  return out;
}

TEST(Convert, StatusesHaveOneListOfNumbersAndNames) {
  const auto names = capnp::Schema::from<schema::Status>().getEnumerants();
  for (const auto each : names) {
    const auto ours = static_cast<core::status>(each.getOrdinal());
    EXPECT_EQ(to_string(ours), snake_case(each.getProto().getName()));
    EXPECT_EQ(static_cast<uint16_t>(to_schema(ours)), each.getOrdinal());
  }
  EXPECT_EQ(to_string(static_cast<core::status>(names.size())), "unknown") << "the schema lacks a status";
}

} // namespace
} // namespace fastptm::rpc
