// Errors as values.
#include "core/error_table.hpp"

#include <fstream>

#include <cerrno>
#include <set>

#include <gtest/gtest.h>

namespace fastptm::core {

TEST(Error, EveryCodeHasItsOwnName) {
  std::set<std::string_view> names;
  for (int code = 1; code <= 15; ++code) names.insert(to_string(static_cast<errc>(code)));
  EXPECT_EQ(names.size(), 15u);
  EXPECT_FALSE(names.contains("unknown"));
}

TEST(Error, AFullDiskIsToldApartFromOtherFailures) {
  EXPECT_EQ(from_errno(ENOSPC, "write").code, errc::disk_full);
  EXPECT_EQ(from_errno(ENOENT, "open").code, errc::not_found);
  EXPECT_EQ(from_errno(EACCES, "open").code, errc::permission_denied);
  EXPECT_EQ(from_errno(EIO, "read").code, errc::io);
  EXPECT_EQ(from_errno(ENOENT, "open x").message, "open x: No such file or directory");
}

TEST(Error, ContextIsPutInFront) {
  const result<int> inner = fail(errc::invalid, "no comma");
  const result<int> outer = fail("a.json", inner.error());
  EXPECT_EQ(outer.error().code, errc::invalid);
  EXPECT_EQ(outer.error().message, "a.json: no comma");
}

TEST(ErrorTable, SaysOfEveryCodeWhatItMeansAndWhatToDo) {
  for (const auto& row : error_table()) {
    EXPECT_EQ(to_string(row.code), row.name);
    EXPECT_TRUE(row.meaning.ends_with('.')) << row.name;
    EXPECT_TRUE(row.remedy.ends_with('.')) << row.name;
    EXPECT_EQ(status_of(row.code), row.seen_as);
    EXPECT_NE(row.seen_as, status::ok) << row.name;
    EXPECT_NE(row.seen_as, status::late) << row.name;
  }
}

TEST(ErrorTable, IsThePageOfTheDocumentation) {
  std::ifstream page(FASTPTM_SOURCE "/docs/errors.md");
  const std::string text{std::istreambuf_iterator<char>(page), {}};
  EXPECT_EQ(text, errors_as_markdown()) << "write it again: fastptm errors --markdown > docs/errors.md";
}

} // namespace fastptm::core
