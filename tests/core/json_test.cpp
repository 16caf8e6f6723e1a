// What the parser keeps, and what it refuses.
#include "core/json.hpp"

#include <gtest/gtest.h>

namespace fastptm::core {

namespace {

std::string refusal(std::string_view text, const json_limits& limits = {}) {
  const auto parsed = parse_json(text, "a.json", limits);
  return parsed ? "accepted" : parsed.error().message;
}

} // namespace

TEST(Json, KeepsValuesAndTheirKinds) {
  const auto parsed =
      parse_json(R"( {"a":[1,-2,0.5,1e2,null,true,"\u00e9"],"b":{"c":18446744073709551615}} )", "a.json");
  ASSERT_TRUE(parsed) << parsed.error().message;
  const auto& list = *parsed->find("a")->array();
  EXPECT_EQ(list[0].unsigned_integer(), 1u);
  EXPECT_EQ(list[0].integer(), 1);
  EXPECT_EQ(list[0].number(), 1.0);
  EXPECT_EQ(list[1].integer(), -2);
  EXPECT_EQ(list[1].unsigned_integer(), std::nullopt);
  EXPECT_EQ(list[2].number(), 0.5);
  EXPECT_EQ(list[3].unsigned_integer(), std::nullopt) << "1e2 is no integer as written";
  EXPECT_EQ(list[3].number(), 100.0);
  EXPECT_TRUE(list[4].is_null());
  EXPECT_EQ(list[5].boolean(), true);
  EXPECT_EQ(*list[6].string(), "\xc3\xa9");
  const auto* big = parsed->find("b")->find("c");
  EXPECT_EQ(big->unsigned_integer(), ~0ull);
  EXPECT_EQ(big->integer(), std::nullopt);
  EXPECT_EQ(parsed->find("missing"), nullptr);
  EXPECT_EQ(list[0].find("a"), nullptr);
  EXPECT_EQ(list[1].kind(), "a negative integer");
  EXPECT_EQ(parsed->kind(), "an object");
}

TEST(Json, RefusesWhatIsNoJsonAndNamesTheFile) {
  for (const std::string_view text :
       {"",          " ",           "hello",       "{",        "[1,]", "{\"a\":1,}", "{} x",
        "[1] [2]",   "NaN",         "[Infinity]",  "{'a':1}",  "01",   "// c\n{}",   "\"\xff\"",
        "\"\xc3(\"", "\"\\ud800\"", "\"\\udc00\"", "\"a\nb\"", "+1",   ".5",         "1."}) {
    EXPECT_TRUE(refusal(text).starts_with("a.json: ")) << text << ": " << refusal(text);
  }
  EXPECT_NE(refusal(std::string_view("{}\0", 3)).find("zero byte"), std::string::npos);
}

TEST(Json, RefusesDuplicateKeysAtAnyDepth) {
  EXPECT_EQ(refusal(R"({"a":1,"a":1})"), "a.json: duplicate key 'a'");
  EXPECT_EQ(refusal(R"([{"b":{"c":1,"d":2,"c":3}}])"), "a.json: duplicate key 'c'");
  EXPECT_EQ(refusal(R"([{"b":1},{"b":1}])"), "accepted");
}

TEST(Json, RefusesWhatExceedsItsLimits) {
  EXPECT_EQ(refusal(std::string(64, '[') + std::string(64, ']')), "accepted");
  EXPECT_NE(refusal(std::string(65, '[') + std::string(65, ']')).find("nested deeper"), std::string::npos);
  EXPECT_NE(refusal(std::string(10'000'000, '[')).find("nested deeper"), std::string::npos);
  EXPECT_NE(refusal("[1,2,3]", {.values = 3}).find("too many values"), std::string::npos);
  EXPECT_NE(refusal("[1,2,3]", {.size_bytes = 6}).find("limit of 6"), std::string::npos);
}

TEST(Json, MessagesHoldNoControlCharacters) {
  for (const std::string_view text : {"{\"\\u001b[2J\":1,\"\\u001b[2J\":1}", "\"\x1b[2J", "[\x07]"}) {
    const auto message = refusal(text);
    for (const char c : message) EXPECT_GE(static_cast<unsigned char>(c), 0x20) << message;
  }
}

} // namespace fastptm::core
