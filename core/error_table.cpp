// The table, in the order of the numbers.
#include "core/error_table.hpp"

#include <array>

#include <fmt/format.h>

#include "core/check.hpp"

namespace fastptm::core {

namespace {

constexpr std::array<error_row, 15> table{{
    {errc::invalid, "invalid", status::invalid, "What was given is wrong, and stays wrong.",
     "Change what the message names; trying again does not help."},
    {errc::not_found, "not_found", status::not_found, "The name means nothing here.",
     "`fastptm models`, `fastptm status` and `fastptm loads` list the names there are."},
    {errc::already_exists, "already_exists", status::invalid, "The name is taken.",
     "Choose another name, or stop who holds it: the message names it."},
    {errc::permission_denied, "permission_denied", status::permission_denied, "Who asks may not do this.",
     "Ask as the tenant that owns it (`--as`), or with the right token; for files, look at their owner and mode."},
    {errc::quota_exceeded, "quota_exceeded", status::quota_exceeded, "A bound of the tenant is reached.",
     "Ask again after the hint `retry_after_us`, with fewer requests at once, or raise the bound in the "
     "configuration."},
    {errc::does_not_fit, "does_not_fit", status::refused, "No device, cache or host has room for it, even when empty.",
     "Give a device a larger arena (`arenaMib`), or publish a smaller model."},
    {errc::unavailable, "unavailable", status::unavailable, "Something that is needed is down or not there.",
     "`fastptm status` shows what is up. Try again when it is back: clients do so by themselves until the deadline."},
    {errc::deadline_exceeded, "deadline_exceeded", status::deadline_exceeded, "The answer would come too late.",
     "Ask again, or with a longer `--deadline`; `fastptm explain MODEL` shows what it would have waited for."},
    {errc::busy, "busy", status::refused, "There is no room for more at the moment.", "Try again a little later."},
    {errc::corrupt, "corrupt", status::unavailable, "Bytes are not what their checksum or format says.",
     "Nothing was computed from them. Another copy is used where there is one; otherwise look at the disk, and publish "
     "again."},
    {errc::cancelled, "cancelled", status::deadline_exceeded, "Who asked has withdrawn it.",
     "Nothing; ask again if it was not meant."},
    {errc::io, "io", status::unavailable, "The operating system refused.",
     "The message has its reason: mend that (a limit, a mount, a socket), then try again."},
    {errc::disk_full, "disk_full", status::unavailable, "The disk of the state folder is full.",
     "Free space, or take models back with `fastptm unpublish`. What is published stays readable."},
    {errc::version_mismatch, "version_mismatch", status::unavailable,
     "Two builds or formats that do not speak the same protocol.",
     "Run the same version everywhere: `fastptm version`."},
    {errc::internal, "internal", status::unavailable, "A broken promise inside of FastPTM.",
     "Report it, with the message and the logs of the node."},
}};

constexpr bool is_in_order() {
  for (size_t i = 0; i < table.size(); ++i)
    if (static_cast<size_t>(table[i].code) != i + 1) return false;
  return true;
}
static_assert(is_in_order());

} // namespace

std::span<const error_row> error_table() noexcept {
  return table;
}

const error_row& row_of(errc code) noexcept {
  const auto number = static_cast<size_t>(code);
  check(number >= 1 && number <= table.size(), "an error code of the enumeration");
  return table[number - 1];
}

std::string errors_as_markdown() {
  std::string text = R"(# Errors

Every failure has a code of this table and one line that says what happened, where, and what to do. Requests end with a *status*: that of
the third column, or `ok` or `late`. Commands print the line on stderr and exit with 1, or with 2 when the command itself was wrong.

This page is written by `fastptm errors --markdown`.

| code | it means | status | what to do |
|---|---|---|---|
)";
  for (const auto& row : table)
    text += fmt::format("| `{}` | {} | `{}` | {} |\n", row.name, row.meaning, to_string(row.seen_as), row.remedy);
  return text;
}

} // namespace fastptm::core
