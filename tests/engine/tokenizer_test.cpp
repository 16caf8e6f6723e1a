// WordPiece against hand-made cases with hard Unicode, the two forms of tokenizer files, and the card.
#include "engine/tokenizer.hpp"

#include <fstream>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include "core/random.hpp"

namespace fastptm::engine {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using ids = std::vector<int32_t>;

// The line number is the id.
const std::vector<std::string> words = {
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "hello", "world", "un", "##aff", "##able", // 0
    "!",     ",",     "[",     "]",     "mask",   "cafe",  "a",     "b",  "##b",   "中",     // 10
    "文",    "σας",   "ss",    "i",     "ᄒ",     "##ᅡ",  "##ᆫ",  "¿",  "क",     "##ष",    // 20
    "aff",   "##a",   "É",     "k",     "¡",      "σασ",   "##c",   "—"};                    // 30

std::string vocabulary_text(const std::string& line_end = "\n") {
  std::string text;
  for (const auto& word : words) text += word + line_end;
  return text;
}

std::string tokenizer_json(const std::string& normalizer = R"({"type": "BertNormalizer", "clean_text": true,
    "handle_chinese_chars": true, "strip_accents": null, "lowercase": true})",
                           const std::string& added = "[]") {
  std::string vocabulary;
  for (size_t i = 0; i < words.size(); ++i) vocabulary += (i ? ", \"" : "\"") + words[i] + "\": " + std::to_string(i);
  return R"({"version": "1.0", "truncation": {"max_length": 4}, "padding": {"strategy": {"Fixed": 4}}, "added_tokens": )" +
         added + R"(, "normalizer": )" + normalizer + R"(, "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}},
      {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 0}}], "pair": [],
      "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                         "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}}},
    "decoder": null, "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
      "max_input_chars_per_word": 100, "vocab": {)" +
         vocabulary + "}}}";
}

class Tokenizer : public testing::Test {
protected:
  Tokenizer() {
    std::string pattern = (fs::temp_directory_path() / "tokenizer-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  ~Tokenizer() override { fs::remove_all(folder_); }

  void put(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }

  std::unique_ptr<tokenizer> load() {
    auto made = load_tokenizer(folder_, std::nullopt);
    EXPECT_TRUE(made) << made.error().message;
    return made ? std::move(*made) : nullptr;
  }

  // Without special tokens, from vocab.txt with BERT's defaults.
  ids encode(std::string_view text) {
    put("vocab.txt", vocabulary_text());
    const auto made = load();
    return made ? inside(*made, text) : ids{};
  }

  // What stands between [CLS] and [SEP].
  static ids inside(const tokenizer& with, std::string_view text) {
    const ids all = with.encode(text, SIZE_MAX).ids;
    return all.size() < 2 ? ids{} : ids(all.begin() + 1, all.end() - 1);
  }

  std::string refusal(std::optional<uint32_t> vocabulary = {}) {
    auto made = load_tokenizer(folder_, vocabulary);
    if (made) return "accepted";
    EXPECT_EQ(made.error().code, core::errc::invalid) << made.error().message;
    return made.error().message;
  }

  fs::path folder_;
};

// -- words and pieces -------------------------------------------------------------------------------------------------

TEST_F(Tokenizer, TakesTheLongestPieceFirst) {
  EXPECT_THAT(encode("unaffable"), ElementsAre(7, 8, 9));
}

TEST_F(Tokenizer, MakesAWordUnknownWhenOnePartIs) {
  EXPECT_THAT(encode("unaffx hello"), ElementsAre(1, 5));
}

TEST_F(Tokenizer, SplitsPunctuationAlsoOutsideAscii) {
  EXPECT_THAT(encode("hello,world!"), ElementsAre(5, 11, 6, 10));
  EXPECT_THAT(encode("¿hello¡—world"), ElementsAre(27, 5, 34, 37, 6));
}

TEST_F(Tokenizer, LowerCasesAndStripsAccentsOfBothForms) {
  EXPECT_THAT(encode("CAFÉ"), ElementsAre(15));
  EXPECT_THAT(encode("Cafe\u0301"), ElementsAre(15));
  EXPECT_THAT(encode("\u212A"), ElementsAre(33)); // the Kelvin sign
  EXPECT_THAT(encode("\u0130"), ElementsAre(23)); // capital i with a dot above
}

TEST_F(Tokenizer, LowerCasesWithoutLookingAtNeighbours) {
  EXPECT_THAT(encode("ΣΑΣ"), ElementsAre(35));
}

TEST_F(Tokenizer, SetsEveryChineseCharacterApart) {
  EXPECT_THAT(encode("a中文b"), ElementsAre(16, 19, 20, 17));
}

TEST_F(Tokenizer, DecomposesHangul) {
  EXPECT_THAT(encode("한"), ElementsAre(24, 25, 26));
}

TEST_F(Tokenizer, DropsVowelSignsThatAreNonSpacingOnly) {
  EXPECT_THAT(encode("क\u094Dष"), ElementsAre(28, 29));
}

TEST_F(Tokenizer, RemovesControlAndFormatCharacters) {
  EXPECT_THAT(encode(std::string("a\0b", 3)), ElementsAre(16, 18));
  EXPECT_THAT(encode("a\u200Db\u00AD\u202E\uFFFD\x7F\x0B"), ElementsAre(16, 18));
}

TEST_F(Tokenizer, KeepsToTheCategoriesOfUnicode8) {
  EXPECT_THAT(encode("a\u1734b"), ElementsAre(16, 18));        // a mark then, no mark now: dropped
  EXPECT_THAT(encode("a\u1885b"), ElementsAre(1));             // a letter then, a mark now: stays
  EXPECT_THAT(encode("a\u166Db"), ElementsAre(16, 1, 17));     // punctuation then, a symbol now: splits
  EXPECT_THAT(encode("a\u08D3b a\u2E52b"), ElementsAre(1, 1)); // a mark and punctuation that came later: unknown
}

TEST_F(Tokenizer, SplitsAtEveryKindOfSpace) {
  EXPECT_THAT(encode("a\tb\r\na\u00A0b\u3000a\u2028b"), ElementsAre(16, 17, 16, 17, 16, 17));
}

TEST_F(Tokenizer, TakesBrokenUtf8AsNothing) {
  EXPECT_THAT(encode("a\xC3 b"), ElementsAre(16, 17));
  EXPECT_THAT(encode("\xF0\x9F\x98"), ElementsAre());
  EXPECT_THAT(encode("\xED\xA0\x80\xFF\xFE hello"), ElementsAre(5));
}

TEST_F(Tokenizer, CountsTheLimitOfAWordInCharacters) {
  std::string word = "a";
  for (int i = 1; i < 100; ++i) word += "b";
  EXPECT_EQ(encode(word).size(), 100u);
  EXPECT_THAT(encode(word + "b"), ElementsAre(1));
  // 100 characters of two bytes: not too long, only unknown piece by piece.
  std::string accented = "a";
  for (int i = 1; i < 100; ++i) accented += "b\u0301";
  EXPECT_EQ(encode(accented).size(), 100u);
}

TEST_F(Tokenizer, KnowsSpecialTokensThatAreSpelledOut) {
  EXPECT_THAT(encode("hello[MASK] [mask]"), ElementsAre(5, 4, 12, 14, 13));
}

TEST_F(Tokenizer, TakesThemAsTextWhereToldTo) {
  put("vocab.txt", vocabulary_text());
  const auto made = load_tokenizer(folder_, std::nullopt, special_tokens::text);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_THAT(inside(**made, "[MASK]"), ElementsAre(12, 14, 13));
}

// A search through every beginning of every rest of a word would take hours here.
TEST_F(Tokenizer, IsNotSlowedDownByLongPiecesThatAlmostMatch) {
  std::string text = tokenizer_json();
  const std::string piece(9'000, 'a');
  text.replace(text.find("\"hello\""), 7, '"' + piece + "b\": 600, \"##" + piece + "b\": 601, \"hello\"");
  const std::string limit = "\"max_input_chars_per_word\": 100";
  text.replace(text.find(limit), limit.size(), "\"max_input_chars_per_word\": 10000");
  put("tokenizer.json", text);
  std::string words_of_a;
  for (int i = 0; i < 100; ++i) words_of_a += std::string(10'000, 'a') + ' ';
  EXPECT_EQ(load()->encode(words_of_a, SIZE_MAX).ids.size(), 1'000'002u);
}

TEST_F(Tokenizer, IsNotSlowedDownByManyTokensThatTakeTheSameSpace) {
  const std::string space =
      R"({"id": 38, "content": " ", "rstrip": true}, {"id": 39, "content": "\t"}, {"id": 4, "content": "[MASK]", "lstrip": true})";
  put("tokenizer.json", tokenizer_json(R"({"type": "BertNormalizer"})", "[" + space + "]"));
  std::string text;
  for (int i = 0; i < 300'000; ++i) text += " \t";
  EXPECT_EQ(load()->encode(text, 100).ids.size(), 100u);
}

TEST_F(Tokenizer, GivesNothingForNothing) {
  EXPECT_TRUE(encode("").empty());
  EXPECT_TRUE(encode(" \t\r\n\u2003 ").empty());
}

// -- special tokens and length ----------------------------------------------------------------------------------------

TEST_F(Tokenizer, PutsSpecialTokensAroundTheText) {
  put("vocab.txt", vocabulary_text());
  const auto made = load();
  EXPECT_THAT(made->encode("hello", 512).ids, ElementsAre(2, 5, 3));
  EXPECT_THAT(made->encode("", 512).ids, ElementsAre(2, 3));
}

TEST_F(Tokenizer, CutsTheTextAndKeepsTheSpecialTokens) {
  put("vocab.txt", vocabulary_text());
  const auto made = load();
  EXPECT_THAT(made->encode("hello world unaffable", 5).ids, ElementsAre(2, 5, 6, 7, 3));
  EXPECT_THAT(made->encode("hello unaffable", 5).ids, ElementsAre(2, 5, 7, 8, 3));
  EXPECT_THAT(made->encode("hello", 2).ids, ElementsAre(2, 3));
  EXPECT_THAT(made->encode("hello", 1).ids, ElementsAre(2));
  EXPECT_TRUE(made->encode("hello", 0).ids.empty());
}

TEST_F(Tokenizer, SaysWhetherATextWasCut) {
  put("vocab.txt", vocabulary_text());
  const auto made = load();
  EXPECT_TRUE(made->encode("hello world unaffable", 5).truncated);
  EXPECT_TRUE(made->encode("hello world unaffable", 6).truncated);
  EXPECT_FALSE(made->encode("hello world unaffable", 7).truncated);
}

// Words, and what crosses the places where reading may stop: accents after a space, added tokens with white space.
std::string long_text(core::prng& random) {
  const std::vector<std::string> parts = {"hello", "unaffable", "CAFÉ", " ",      "  ",
                                          "\t",    " \u0301",   "中文", "!",      "σας",
                                          "stop",  "two words", "x",    "\u00a0", std::string(120, 'q')};
  std::string text;
  for (size_t bytes = random.below(9'000); text.size() < bytes;)
    text += parts[random.below(parts.size())] + (random.below(3) > 0 ? " " : "");
  return text;
}

TEST_F(Tokenizer, ReadsNoFurtherThanItKeepsAndFindsTheSame) {
  const uint64_t seed = core::true_random_u64();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  core::prng random(seed);
  const auto token = [](std::string_view content, int id, bool normalized) {
    return fmt::format(R"({{"id": {}, "content": "{}", "single_word": {}, "lstrip": {}, "rstrip": {}, "normalized": {},
      "special": false}})",
                       id, content, id % 2 == 0, normalized, normalized, normalized);
  };
  const auto words_alone = fmt::format("[{}, {}]", token("stop", 38, true), token("x", 39, false));
  const auto with_a_space = fmt::format("[{}, {}]", token("two words", 38, true), token("x y", 39, false));
  for (const auto& added : {std::string("[]"), words_alone, with_a_space}) {
    put("tokenizer.json", tokenizer_json(R"({"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
      "strip_accents": null, "lowercase": true})",
                                         added));
    const auto made = load();
    for (int round = 0; round < 100; ++round) {
      const auto text = long_text(random);
      auto whole = made->encode(text, 1 << 20).ids;
      const auto cut = made->encode(text, 2 + random.below(600));
      EXPECT_EQ(cut.truncated, cut.ids.size() < whole.size());
      if (cut.truncated) {
        whole.resize(cut.ids.size());
        whole.back() = 3;
      }
      ASSERT_EQ(cut.ids, whole) << text;
    }
  }
}

TEST_F(Tokenizer, ReadsTwoTextsTogether) {
  put("vocab.txt", vocabulary_text());
  const auto made = load();
  const auto pair = made->encode_pair("hello world", "a", 512);
  ASSERT_TRUE(pair) << pair.error().message;
  EXPECT_THAT(pair->ids, ElementsAre(2, 5, 6, 3, 16, 3));
  EXPECT_THAT(pair->token_types, ElementsAre(0, 0, 0, 0, 1, 1));
  EXPECT_FALSE(pair->truncated);
  EXPECT_THAT(made->encode("hello", 512).token_types, ElementsAre());
}

TEST_F(Tokenizer, RefusesPairsWhereTheFilesHaveNoRuleForThem) {
  put("tokenizer.json", tokenizer_json());
  const auto pair = load()->encode_pair("hello", "world", 512);
  ASSERT_FALSE(pair);
  EXPECT_EQ(pair.error().code, core::errc::invalid);
}

TEST_F(Tokenizer, CutsTheLongerTextOfAPairFirst) {
  put("vocab.txt", vocabulary_text());
  const auto made = load();
  const auto cut = [&](size_t most) { return made->encode_pair("a b a b a b", "hello world hello", most)->ids; };
  EXPECT_THAT(cut(11), ElementsAre(2, 16, 17, 16, 17, 16, 3, 5, 6, 5, 3));
  EXPECT_THAT(cut(8), ElementsAre(2, 16, 17, 16, 3, 5, 6, 3));
  EXPECT_THAT(cut(7), ElementsAre(2, 16, 17, 3, 5, 6, 3));
  EXPECT_THAT(cut(4), ElementsAre(2, 16, 3, 3));
  EXPECT_THAT(cut(3), ElementsAre(2, 3, 3));
}

TEST_F(Tokenizer, TheLongerTextOfAPairHasTheOddPlaceHoweverLongBothAre) {
  put("vocab.txt", vocabulary_text());
  const auto made = load();
  const auto repeat = [](std::string_view word, int times) {
    std::string text;
    for (int i = 0; i < times; ++i) text += word;
    return text;
  };
  EXPECT_THAT(made->encode_pair(repeat("a ", 301), repeat("b ", 300), 8)->ids,
              ElementsAre(2, 16, 16, 16, 3, 17, 17, 3));
  EXPECT_THAT(made->encode_pair(repeat("a ", 300), repeat("b ", 301), 8)->ids,
              ElementsAre(2, 16, 16, 3, 17, 17, 17, 3));
}

TEST_F(Tokenizer, IgnoresTruncationAndPaddingOfTheFile) {
  put("tokenizer.json", tokenizer_json());
  EXPECT_THAT(load()->encode("hello world a b a b", 512).ids, ElementsAre(2, 5, 6, 16, 17, 16, 17, 3));
  EXPECT_THAT(load()->encode("a", 512).ids, ElementsAre(2, 16, 3));
}

TEST_F(Tokenizer, TakesALongTextInPiecesWithoutChangingAWord) {
  put("vocab.txt", vocabulary_text());
  const auto made = load();
  const uint64_t seed = core::true_random_u64();
  SCOPED_TRACE("seed " + std::to_string(seed));
  core::prng random(seed);
  const std::pair<const char*, ids> parts[] = {
      {"unaffable", {7, 8, 9}}, {"CAFÉ", {15}}, {"中", {19}}, {"hello,", {5, 11}}, {"zzz", {1}}};
  std::string text;
  ids expected;
  while (text.size() < 20'000) {
    const auto& [part, part_ids] = parts[random.below(std::size(parts))];
    text += part + std::string(1 + random.below(3), ' ');
    expected.insert(expected.end(), part_ids.begin(), part_ids.end());
  }
  EXPECT_EQ(inside(*made, text), expected);
}

TEST_F(Tokenizer, IsUsedByManyThreadsAtOnce) {
  put("vocab.txt", vocabulary_text());
  const auto made = load();
  const ids expected = made->encode("CAFÉ 中文 unaffable", 512).ids;
  std::vector<std::jthread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) wrong += made->encode("CAFÉ 中文 unaffable", 512).ids != expected;
    });
  threads.clear();
  EXPECT_EQ(wrong, 0);
}

// -- the two forms of files -------------------------------------------------------------------------------------------

TEST_F(Tokenizer, ReadsTheSameFromBothForms) {
  const std::string text = "Hello, CAFÉ 中文 unaffable ﬀ [MASK]";
  const ids from_vocabulary = encode(text);
  put("tokenizer.json", tokenizer_json());
  put("vocab.txt", "tokenizer.json wins\n");
  EXPECT_EQ(inside(*load(), text), from_vocabulary);
}

TEST_F(Tokenizer, KeepsCaseAndAccentsWhereToldTo) {
  put("vocab.txt", vocabulary_text("\r\n"));
  put("tokenizer_config.json",
      R"({"do_lower_case": false, "tokenizer_class": "BertTokenizer", "model_max_length": 512})");
  EXPECT_THAT(inside(*load(), "É cafe CAFE"), ElementsAre(32, 15, 1));
  put("tokenizer_config.json", R"({"do_lower_case": true, "strip_accents": false})");
  EXPECT_THAT(inside(*load(), "CAFE CAFÉ"), ElementsAre(15, 1));
  put("tokenizer_config.json", R"({"tokenize_chinese_chars": false})");
  EXPECT_THAT(inside(*load(), "中文"), ElementsAre(1));
}

TEST_F(Tokenizer, LowerCasesFirstWhereTheSentenceModelSaysSo) {
  put("vocab.txt", vocabulary_text());
  put("tokenizer_config.json", R"({"do_lower_case": false})");
  put("sentence_bert_config.json", R"({"max_seq_length": 128, "do_lower_case": true})");
  EXPECT_THAT(inside(*load(), "HELLO"), ElementsAre(5));
}

TEST_F(Tokenizer, LowerCasesTheWholeTextThenAsPythonDoes) {
  put("vocab.txt", vocabulary_text());
  put("sentence_bert_config.json", R"({"do_lower_case": true})");
  EXPECT_THAT(inside(*load(), "ΣΑΣ"), ElementsAre(21));                  // a final sigma
  EXPECT_THAT(inside(*load(), "[MASK] a"), ElementsAre(12, 14, 13, 16)); // no special token any more
}

TEST_F(Tokenizer, FindsSpecialTokensByTheirConfiguredNames) {
  put("vocab.txt", vocabulary_text());
  put("tokenizer_config.json",
      R"({"cls_token": {"content": "["}, "sep_token": "]", "unk_token": {"content": "mask"}})");
  EXPECT_THAT(load()->encode("hello zzz", 512).ids, ElementsAre(12, 5, 14, 13));
}

TEST_F(Tokenizer, KnowsTheOlderPostProcessor) {
  std::string text = tokenizer_json();
  const size_t from = text.find(R"({"type": "TemplateProcessing")");
  const size_t to = text.find(R"("decoder")");
  text.replace(from, to - from, R"({"type": "BertProcessing", "cls": ["[CLS]", 2], "sep": ["[SEP]", 3]}, )");
  put("tokenizer.json", text);
  EXPECT_THAT(load()->encode("a", 512).ids, ElementsAre(2, 16, 3));
}

TEST_F(Tokenizer, IsNotFoundInAFolderWithoutOne) {
  EXPECT_FALSE(has_tokenizer(folder_));
  const auto made = load_tokenizer(folder_, std::nullopt);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, core::errc::not_found);
}

// -- refusals ---------------------------------------------------------------------------------------------------------

TEST_F(Tokenizer, RefusesWhatIsNoTokenizer) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  for (const std::string& text : {bytes, std::string(1'000'000, '['), std::string("{}"), std::string("[]"),
                                  std::string(), std::string(R"({"model": 7})")}) {
    put("tokenizer.json", text);
    EXPECT_THAT(refusal(), HasSubstr("tokenizer.json")) << text.substr(0, 20);
  }
}

TEST_F(Tokenizer, RefusesOtherKindsByName) {
  put("tokenizer.json", R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}})");
  EXPECT_THAT(refusal(), HasSubstr("'BPE'"));
  put("tokenizer.json", R"({"model": {"type": "Evil\u001b[2J"}})");
  EXPECT_THAT(refusal(), testing::AllOf(HasSubstr("Evil"), testing::Not(HasSubstr("\x1b"))));
  put("tokenizer.json", tokenizer_json(R"({"type": "NFKC"})"));
  EXPECT_THAT(refusal(), HasSubstr("'NFKC'"));
  fs::remove(folder_ / "tokenizer.json");
  put("tokenizer.model", "x");
  EXPECT_THAT(refusal(), HasSubstr("tokenizer.model"));
  EXPECT_TRUE(has_tokenizer(folder_));
}

TEST_F(Tokenizer, RefusesAddedTokensBeyondTheEmbeddings) {
  auto rows = static_cast<uint32_t>(words.size());
  put("vocab.txt", vocabulary_text());
  put("added_tokens.json", R"({"covid-19": )" + std::to_string(words.size()) + "}");
  EXPECT_THAT(refusal(rows), testing::AllOf(HasSubstr("covid-19"), HasSubstr("vocab_size")));
  ++rows;
  EXPECT_EQ(refusal(rows), "accepted");
}

TEST_F(Tokenizer, RefusesClassesOfOtherTokenizers) {
  put("vocab.txt", vocabulary_text());
  for (const char* name : {"BertJapaneseTokenizer", "BertweetTokenizer", "XLMRobertaTokenizerFast", "MPNetTokenizer"}) {
    put("config.json", std::string(R"({"tokenizer_class": ")") + name + "\"}");
    EXPECT_THAT(refusal(), testing::AllOf(HasSubstr(name), HasSubstr("config.json")));
    put("tokenizer_config.json", R"({"tokenizer_class": "BertTokenizer"})"); // which counts for more
    EXPECT_EQ(refusal(), "accepted");
    fs::remove(folder_ / "tokenizer_config.json");
  }
}

TEST_F(Tokenizer, RefusesSettingsThatWouldGiveOtherIds) {
  put("vocab.txt", vocabulary_text());
  const std::pair<const char*, const char*> settings[] = {{"word_tokenizer_type", "\"mecab\""},
                                                          {"subword_tokenizer_type", "\"character\""},
                                                          {"do_basic_tokenize", "false"},
                                                          {"never_split", "[\"hello\"]"},
                                                          {"normalization", "true"},
                                                          {"wordpieces_prefix", "\"@@\""},
                                                          {"truncation_side", "\"middle\""},
                                                          {"do_lower_case", "\"yes\""},
                                                          {"tokenizer_class", "7"},
                                                          {"auto_map", R"({"AutoTokenizer": ["own.Code", null]})"},
                                                          {"fast_tokenizer_files", "[\"tokenizer.4.0.json\"]"}};
  for (const auto& [key, value] : settings) {
    put("tokenizer_config.json", fmt::format(R"({{"{}": {}}})", key, value));
    EXPECT_THAT(refusal(), HasSubstr(key));
  }
  put("tokenizer_config.json",
      R"({"never_split": null, "do_basic_tokenize": true, "padding_side": "left", "tokenizer_file": null})");
  EXPECT_EQ(refusal(), "accepted");
}

TEST_F(Tokenizer, RefusesAddedTokensThatNothingIsLeftOf) {
  put("tokenizer.json",
      tokenizer_json(R"({"type": "BertNormalizer"})", R"([{"id": 38, "content": "\u0301", "normalized": true}])"));
  EXPECT_THAT(refusal(), HasSubstr("normalised"));
}

TEST_F(Tokenizer, RefusesTooManyAddedTokens) {
  std::string tokens = "[]";
  for (int i = 0; i < 33'000; ++i)
    tokens.insert(tokens.size() - 1, fmt::format("{}{{\"id\": {}, \"content\": \"<{}>\"}}", i ? "," : "", 38 + i, i));
  put("tokenizer.json", tokenizer_json(R"({"type": "BertNormalizer"})", tokens));
  EXPECT_THAT(refusal(), HasSubstr("32768"));
}

// As with the library: who never spells it out never meets it.
TEST_F(Tokenizer, ServesAModelWhoseEmbeddingsLackATokenThatOnlyHasARole) {
  auto rows = static_cast<uint32_t>(words.size());
  put("vocab.txt", vocabulary_text());
  put("tokenizer_config.json", R"({"mask_token": "<mask>"})");
  EXPECT_EQ(refusal(rows), "accepted");
  EXPECT_THAT(inside(*load(), "hello <mask>"), ElementsAre(5, static_cast<int32_t>(words.size())));
}

TEST_F(Tokenizer, RefusesIdsThatAreNone) {
  for (const char* id : {"-1", "4000000000", "1.5", "\"7\"", "null"}) {
    std::string text = tokenizer_json();
    text.replace(text.find("\"hello\": 5"), 10, std::string("\"hello\": ") + id);
    put("tokenizer.json", text);
    EXPECT_THAT(refusal(), HasSubstr("'hello'")) << id;
  }
}

TEST_F(Tokenizer, RefusesIdsBeyondTheEmbeddings) {
  auto rows = static_cast<uint32_t>(words.size());
  put("vocab.txt", vocabulary_text());
  EXPECT_EQ(refusal(rows), "accepted");
  --rows;
  EXPECT_THAT(refusal(rows), HasSubstr("vocab_size"));
}

TEST_F(Tokenizer, RefusesAVocabularyWithoutItsSpecialTokens) {
  put("vocab.txt", "[CLS]\n[SEP]\nhello\n");
  EXPECT_THAT(refusal(), HasSubstr("unk_token"));
  put("vocab.txt", "[UNK]\n\xFF\n");
  EXPECT_THAT(refusal(), HasSubstr("UTF-8"));
}

// -- the card ---------------------------------------------------------------------------------------------------------

TEST_F(Tokenizer, TravelsAsACard) {
  put("vocab.txt", vocabulary_text());
  put("tokenizer_config.json", R"({"do_lower_case": false})");
  const auto card = pack_card(folder_, special_tokens::library);
  ASSERT_TRUE(card) << card.error().message;
  EXPECT_EQ(*pack_card(folder_, special_tokens::library), *card);
  const auto made = unpack_card(*card, std::nullopt);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_THAT((*made)->encode("É HELLO", 512).ids, ElementsAre(2, 32, 1, 3));
}

TEST_F(Tokenizer, TravelsWithEveryFileThatDecides) {
  put("vocab.txt", vocabulary_text());
  put("added_tokens.json", R"({"<x>": 38})");
  put("special_tokens_map.json", R"({"mask_token": {"content": "[MASK]", "lstrip": true}})");
  put("config.json", R"({"tokenizer_class": "DistilBertTokenizer"})");
  const auto made = unpack_card(pack_card(folder_, special_tokens::library).value(), std::nullopt);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_THAT((*made)->encode("a<x>\t [MASK]", 512).ids, ElementsAre(2, 16, 38, 4, 3));
  EXPECT_THAT((*made)->encode_pair("a", "b", 512)->token_types, testing::IsEmpty()); // that class gives none
}

TEST_F(Tokenizer, TravelsWithTheChoiceForSpecialTokens) {
  put("vocab.txt", vocabulary_text());
  const auto made = unpack_card(pack_card(folder_, special_tokens::text).value(), std::nullopt);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_THAT(inside(**made, "[MASK]"), ElementsAre(12, 14, 13));
}

std::string record(char place, const std::string& text) {
  std::string size(8, '\0');
  for (size_t i = 0; i < 8; ++i) size[i] = static_cast<char>(text.size() >> (8 * i) & 0xFF);
  return place + size + text;
}

// What was published with the first form of cards goes on as it was:
// special tokens are text, tokenizer.json decides alone.
TEST_F(Tokenizer, KeepsTheIdsOfTheFirstCards) {
  const std::string added = R"([{"id": 4, "content": "[MASK]", "special": true}])";
  const std::string json = tokenizer_json(R"({"type": "BertNormalizer", "lowercase": false})", added);
  const auto made =
      unpack_card("fastptm-card-1\n" + record(0, json) + record(3, R"({"do_lower_case": true})"), std::nullopt);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_THAT(inside(**made, "HELLO [MASK]"), ElementsAre(5, 12, 14, 13));
  const std::string config = R"({"truncation_side": "left", "tokenizer_class": "PreTrainedTokenizerFast"})";
  const auto by_vocabulary =
      unpack_card("fastptm-card-1\n" + record(1, vocabulary_text()) + record(2, config), std::nullopt);
  ASSERT_TRUE(by_vocabulary) << by_vocabulary.error().message;
  EXPECT_THAT((*by_vocabulary)->encode("[SEP] a b", 5).ids, ElementsAre(2, 12, 1, 13, 3));
  EXPECT_FALSE(unpack_card("fastptm-card-1\n" + record(1, vocabulary_text()) + record(5, "{}"), std::nullopt));
}

TEST_F(Tokenizer, PacksNothingWhenThereIsNothing) {
  EXPECT_EQ(pack_card(folder_, special_tokens::library).value(), "");
}

TEST_F(Tokenizer, NoticesADamagedCard) {
  put("tokenizer.json", tokenizer_json());
  const std::string card = pack_card(folder_, special_tokens::library).value();
  for (size_t length = 0; length < card.size(); length += 1 + length / 8) {
    const auto made = unpack_card(std::string_view(card).substr(0, length), std::nullopt);
    ASSERT_FALSE(made) << length;
    EXPECT_EQ(made.error().code, core::errc::corrupt);
  }
  EXPECT_FALSE(unpack_card(card + "x", std::nullopt));
}

} // namespace
} // namespace fastptm::engine
