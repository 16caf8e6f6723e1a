// What is printed of a struct: its fields in order, without those that do not apply.
#include "core/json_fields.hpp"

#include <gtest/gtest.h>

namespace fastptm::core {

enum class colour { red, deep_blue };
FASTPTM_NAMES(colour, red, deep_blue)

struct part {
  int64_t offset = -1;
};
FASTPTM_FIELDS(part, offset)

struct whole {
  load_id id;
  std::string name;
  bool is_there = true;
  colour of{};
  std::vector<part> parts;
  std::vector<std::string> words;
};
FASTPTM_FIELDS(whole, id, name, is_there, of, parts, words)

bool applies(const whole& of, std::string_view field) {
  return field != "words" || !of.words.empty();
}

namespace {

TEST(JsonFields, AreTheFieldsOfAStructInOrder) {
  EXPECT_EQ(json_of(whole{{7}, "a\"b", false, colour::deep_blue, {{1}, {-2}}, {"x", ""}}),
            R"({"id":7,"name":"a\"b","is_there":false,"of":"deep_blue","parts":[{"offset":1},{"offset":-2}],)"
            R"("words":["x",""]})");
}

TEST(JsonFields, ThatDoNotApplyAreLeftOut) {
  EXPECT_EQ(json_of(whole{}), R"({"id":0,"name":"","is_there":true,"of":"red","parts":[]})");
}

} // namespace
} // namespace fastptm::core
