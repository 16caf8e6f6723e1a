// What the subcommands share: JSON out, inputs in.
#include <cmath>
#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "cli/inputs.hpp"
#include "core/json.hpp"
#include "core/json_writer.hpp"

namespace fastptm::cli {
namespace {

using testing::HasSubstr;

class text_file {
public:
  explicit text_file(std::string_view text) {
    path_ = "/tmp/fastptm-input-XXXXXX";
    ::close(::mkstemp(path_.data()));
    std::ofstream(path_) << text;
  }
  ~text_file() { std::filesystem::remove(path_); }
  const std::string& path() const { return path_; }

private:
  std::string path_;
};

TEST(Json, EscapesWhatATerminalOrParserWouldObey) {
  EXPECT_EQ(core::json_text("a\"b\\c\n\x1b"), R"("a\"b\\c\u000a\u001b")");
  EXPECT_EQ(core::json_text("\xff"), R"("\ufffd")");
  for (const auto* broken : {"\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf0\x8f\xbf\xbf"})
    EXPECT_TRUE(core::parse_json(core::json_text(broken), "written")) << "no second way to write a code point";
  EXPECT_EQ(core::json_text("z\xc3\xbcrich"), "\"z\xc3\xbcrich\"");
}

TEST(Json, PrintsFloatsThatReadBackTheSame) {
  const std::vector<float> values{0.1F, -1e-30F, 16777216.0F};
  EXPECT_EQ(core::json_floats(values), "[0.1,-1e-30,16777216]");
  EXPECT_EQ(core::json_floats({NAN}), "[null]");
  EXPECT_EQ(core::json_floats({-0.0F, 0.0F}), "[-0.0,0]") << "an integer has no sign of zero";
}

TEST(Json, KeepsMembersInOrder) {
  EXPECT_EQ(core::json_writer().text("b", "x").number("a", int64_t{-1}).flag("c", true).str(),
            R"({"b":"x","a":-1,"c":true})");
  EXPECT_EQ(core::json_writer().str(), "{}");
  EXPECT_EQ(core::json_list().str(), "[]");
}

TEST(Inputs, ReadsIdsWithAndWithoutTypes) {
  const text_file file(R"([[101, 7, 102], {"ids": [1, 2], "token_types": [0, 1]}])");
  const auto inputs = read_inputs({{}, "", file.path()});
  ASSERT_TRUE(inputs) << inputs.error().message;
  ASSERT_EQ(inputs->size(), 2u);
  EXPECT_EQ((*inputs)[0].ids, (std::vector<int32_t>{101, 7, 102}));
  EXPECT_EQ((*inputs)[1].token_types, (std::vector<int32_t>{0, 1}));
}

TEST(Inputs, KeepsLinesAsTheyAre) {
  const text_file file("one\n\n  two \n");
  const auto inputs = read_inputs({{"zero"}, file.path(), ""});
  ASSERT_TRUE(inputs);
  ASSERT_EQ(inputs->size(), 4u);
  EXPECT_EQ((*inputs)[2].text, "");
  EXPECT_EQ((*inputs)[3].text, "  two ");
}

TEST(Inputs, ReadsPairsOfTexts) {
  const text_file file(R"([["query", "a passage"], ["", "[x, y]"]])");
  const auto inputs =
      read_inputs({.texts = {}, .lines_file = "", .ids_file = "", .pairs_file = file.path(), .prompt = "q"});
  ASSERT_TRUE(inputs) << inputs.error().message;
  ASSERT_EQ(inputs->size(), 2u);
  EXPECT_TRUE((*inputs)[0].is_pair);
  EXPECT_EQ((*inputs)[0].text, "query");
  EXPECT_EQ((*inputs)[0].second, "a passage");
  EXPECT_EQ((*inputs)[0].prompt, "q");
  EXPECT_EQ((*inputs)[1].second, "[x, y]");
}

TEST(Inputs, NamesThePlaceOfAPairThatIsNone) {
  for (const char* bad : {R"([["a", "b"], ["a"]])", R"([["a", "b"], "ab"])", R"([["a", "b"], ["a", "b", "c"]])",
                          R"([["a", "b"], ["a", 7]])"}) {
    const text_file file(bad);
    const auto inputs =
        read_inputs({.texts = {}, .lines_file = "", .ids_file = "", .pairs_file = file.path(), .prompt = ""});
    ASSERT_FALSE(inputs) << bad;
    EXPECT_THAT(inputs.error().message, AllOf(HasSubstr("input 1"), HasSubstr("[first, second]"))) << bad;
  }
}

TEST(Inputs, NamesThePlaceOfAWrongId) {
  const text_file file("[[1], [2, \"three\"]]");
  const auto inputs = read_inputs({{}, "", file.path()});
  ASSERT_FALSE(inputs);
  EXPECT_THAT(inputs.error().message, AllOf(HasSubstr("input 1"), HasSubstr("element 1")));
}

TEST(Inputs, RefusesWhatItWouldNotRead) {
  for (const auto* unread : {"token_type_ids", "attention_mask"}) {
    const text_file file(fmt::format("[{{\"ids\": [1, 2], \"{}\": [0, 1]}}]", unread));
    const auto inputs = read_inputs({{}, "", file.path()});
    ASSERT_FALSE(inputs);
    EXPECT_THAT(inputs.error().message, AllOf(HasSubstr("input 0"), HasSubstr(unread), HasSubstr("token_types")));
  }
}

TEST(Inputs, RefusesIdsBeyond32Bits) {
  const text_file file("[[4294967296]]");
  EXPECT_FALSE(read_inputs({{}, "", file.path()}));
}

TEST(Inputs, RefusesNothingToAsk) {
  EXPECT_EQ(read_inputs({}).error().code, core::errc::invalid);
}

TEST(Durations, ReadUnits) {
  EXPECT_EQ(*parse_duration("500ms"), 500'000);
  EXPECT_EQ(*parse_duration("1.5s"), 1'500'000);
  EXPECT_EQ(*parse_duration("250us"), 250);
  EXPECT_EQ(*parse_duration("5min"), 300'000'000);
  EXPECT_EQ(*parse_duration("1h"), 3'600'000'000);
  EXPECT_FALSE(parse_duration("2h"));
  EXPECT_EQ(*parse_duration("2h", 2 * longest_duration_us), 7'200'000'000);
  for (const auto* wrong : {"", "5", "ms", "-1s", "0s", "nan s", "2h", "1e9s"})
    EXPECT_FALSE(parse_duration(wrong)) << wrong;
}

} // namespace
} // namespace fastptm::cli
