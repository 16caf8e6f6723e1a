// Errors as values.
#include "core/error.hpp"

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

} // namespace fastptm::core
