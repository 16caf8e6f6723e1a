// The automaton against the definition: at every place the longest string that begins there.
#include "engine/tokenizer/longest_match.hpp"

#include <string>

#include <gmock/gmock.h>

#include "core/random.hpp"

namespace fastptm::engine {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> found(const longest_match& in, std::string_view text) {
  std::vector<std::string> all;
  for (const auto& match : in.find(text)) all.emplace_back(text.substr(match.begin, match.end - match.begin));
  return all;
}

std::vector<uint32_t> by_definition(const std::vector<std::string_view>& strings, std::string_view text) {
  std::vector<uint32_t> all(text.size(), longest_match::none);
  for (size_t at = 0; at < text.size(); ++at)
    for (uint32_t i = 0; i < strings.size(); ++i)
      if (!strings[i].empty() && text.substr(at).starts_with(strings[i]) &&
          (all[at] == longest_match::none || strings[i].size() > strings[all[at]].size()))
        all[at] = i;
  return all;
}

std::string random_text(core::prng& random, size_t most) {
  std::string text(random.below(most + 1), 'a');
  for (char& byte : text) byte = "ab\xC3\x00"[random.below(4)];
  return text;
}

TEST(LongestMatch, TakesTheLeftmostAndOfThoseTheLongest) {
  const longest_match in({"ab", "abcd", "bcde", "e"});
  EXPECT_THAT(found(in, "abcde"), ElementsAre("abcd", "e"));
  EXPECT_THAT(found(in, "abcx bcde"), ElementsAre("ab", "bcde"));
}

TEST(LongestMatch, FindsNothingInNothing) {
  EXPECT_THAT(found(longest_match({}), "abc"), IsEmpty());
  EXPECT_THAT(found(longest_match({""}), "abc"), IsEmpty());
  EXPECT_THAT(found(longest_match({"a"}), ""), IsEmpty());
}

TEST(LongestMatch, CountsTheFirstOfEqualStrings) {
  EXPECT_EQ(longest_match({"b", "a", "a"}).find("a").front().which, 1u);
}

TEST(LongestMatch, AgreesWithItsDefinition) {
  const uint64_t seed = core::true_random_u64();
  SCOPED_TRACE("seed " + std::to_string(seed));
  core::prng random(seed);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::string> owned(random.below(12));
    for (auto& text : owned) text = random_text(random, 6);
    const std::vector<std::string_view> strings(owned.begin(), owned.end());
    const longest_match in(strings);
    const std::string text = random_text(random, 60);
    std::vector<uint32_t> which;
    in.find_at_every_place(text, which);
    ASSERT_EQ(which, by_definition(strings, text));
  }
}

// A search that starts again after every match would look at 10^11 bytes here, and this test would time out.
TEST(LongestMatch, IsNotSlowedDownByStringsThatAlmostMatch) {
  const std::string almost = std::string(100'000, 'a') + "b";
  const longest_match in({"a", almost});
  EXPECT_EQ(in.find(std::string(1'000'000, 'a')).size(), 1'000'000u);
}

} // namespace
} // namespace fastptm::engine
