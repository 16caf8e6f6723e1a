// Small tokenizer folders, and what the transformers library makes of texts with them.
// library_cases.json holds both, written by library_cases.py; it says by which versions.
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "core/json.hpp"
#include "engine/tokenizer.hpp"

namespace fastptm::engine {
namespace {

namespace fs = std::filesystem;
using core::json_value;

std::vector<int32_t> integers(const json_value& list) {
  std::vector<int32_t> all;
  for (const auto& each : *list.array()) all.push_back(static_cast<int32_t>(*each.integer()));
  return all;
}

// Texts that many files share are written once, under a word that stands in their place.
std::string filled(std::string text, const json_value& written_once) {
  for (const char* word : {"TOKENIZER", "VOCABULARY", "LINES"})
    if (const size_t at = text.find(word); at != std::string::npos)
      text.replace(at, std::string_view(word).size(), *written_once.find(word)->string());
  return text;
}

class folder {
public:
  folder(const json_value& files, const json_value& written_once) {
    std::string pattern = (fs::temp_directory_path() / "library-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
    for (const auto& [name, text] : *files.object())
      std::ofstream(path_ / name, std::ios::binary) << filled(*text.string(), written_once);
  }
  ~folder() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }

private:
  fs::path path_;
};

core::result<encoding> encode(const tokenizer& with, const json_value& text, size_t max_tokens) {
  if (text.string()) return with.encode(*text.string(), max_tokens);
  return with.encode_pair(*(*text.array())[0].string(), *(*text.array())[1].string(), max_tokens);
}

void expect_answer(const tokenizer& with, const json_value& answer, size_t max_tokens) {
  const json_value& text = *answer.find("text");
  SCOPED_TRACE(text.string() ? *text.string() : *(*text.array())[0].string() + " | " + *(*text.array())[1].string());
  const auto read = encode(with, text, max_tokens);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->ids, integers(*answer.find("ids")));
  auto types = integers(*answer.find("token_types"));
  if (std::all_of(types.begin(), types.end(), [](int32_t type) { return type == 0; })) types.clear();
  EXPECT_EQ(read->token_types, types);
}

TEST(Library, GivesTheSameIdsForTheSameFolder) {
  std::ostringstream text;
  text << std::ifstream(LIBRARY_CASES, std::ios::binary).rdbuf();
  const auto table = core::parse_json(text.str(), "library_cases.json");
  ASSERT_TRUE(table) << table.error().message;
  ASSERT_GT(table->find("cases")->array()->size(), 50u);
  for (const auto& each : *table->find("cases")->array()) {
    SCOPED_TRACE(*each.find("name")->string());
    const folder files(*each.find("files"), *table->find("written_once"));
    const auto made = load_tokenizer(files.path(), std::nullopt);
    ASSERT_TRUE(made) << made.error().message;
    for (const auto& answer : *each.find("answers")->array())
      expect_answer(**made, answer, *each.find("max_tokens")->unsigned_integer());
  }
}

} // namespace
} // namespace fastptm::engine
