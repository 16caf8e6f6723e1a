// What travels opaque, and errors that cross CAF.
#include "protocol/payload.hpp"

#include <limits>

#include <gtest/gtest.h>

#include "protocol/errors.hpp"
#include "protocol/interfaces.hpp"

namespace fastptm::protocol {
namespace {

TEST(Payload, CarriesAnInputWithAndWithoutTokenTypes) {
  const std::vector<int32_t> ids{1, -2, 3}, types{0, 1, 0};
  const auto plain = decode_input(encode_input(ids, {}));
  ASSERT_TRUE(plain.has_value());
  EXPECT_EQ(plain->ids, ids);
  EXPECT_TRUE(plain->token_types.empty());
  EXPECT_EQ(plain->unpooled, 0u);
  const auto typed = decode_input(encode_input(ids, types, 2));
  ASSERT_TRUE(typed.has_value());
  EXPECT_EQ(typed->token_types, types);
  EXPECT_EQ(typed->unpooled, 2u);
}

TEST(Payload, RefusesAnInputOfAnotherLengthThanItSays) {
  auto input = encode_input(std::vector<int32_t>{1, 2}, {});
  input.bytes.pop_back();
  EXPECT_FALSE(decode_input(input));
  input.bytes = {255, 255, 255, 255, 0, 0, 0, 0};
  EXPECT_FALSE(decode_input(input));
  EXPECT_FALSE(decode_input({}));
}

TEST(Payload, CarriesEveryFloatUnchanged) {
  const std::vector<float> values{0.5f, -0.0f, std::numeric_limits<float>::infinity(),
                                  std::numeric_limits<float>::denorm_min()};
  EXPECT_EQ(encode_output(*decode_output(encode_output(values))).bytes, encode_output(values).bytes);
  EXPECT_FALSE(decode_output({{1, 2, 3}}));
}

TEST(Errors, KeepCodeAndMessageThroughCaf) {
  const core::error original{core::errc::does_not_fit, "the arena is too small"};
  const auto back = from_caf(to_caf(original));
  EXPECT_EQ(back.code, original.code);
  EXPECT_EQ(back.message, original.message);
  EXPECT_EQ(from_caf(caf::make_error(caf::sec::request_timeout)).code, core::errc::deadline_exceeded);
}

TEST(Messages, SurviveSerialisation) {
  caf::actor_system_config config;
  config.add_message_types<caf::id_block::fastptm>();
  caf::actor_system system{config};
  load_report report;
  report.id = {7};
  report.model = "acme/m@1";
  report.sources.push_back({"peer_device", "worker-1", "cma", 100, 2, 3, true});
  report.stages.push_back({"plan", 1, 2});
  std::vector<char> bytes;
  caf::binary_serializer writer{system, bytes};
  ASSERT_FALSE(writer(report));
  load_report copy;
  caf::binary_deserializer reader{system, bytes};
  ASSERT_FALSE(reader(copy));
  EXPECT_EQ(copy.id, report.id);
  EXPECT_EQ(copy.sources[0].node, "worker-1");
  EXPECT_TRUE(copy.sources[0].failed);
  EXPECT_EQ(copy.stages[0].end_us, 2);
}

} // namespace
} // namespace fastptm::protocol
