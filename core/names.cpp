// Character by character.
#include "core/names.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/log.hpp"

namespace fastptm::core {

namespace {

constexpr size_t max_name_bytes = 64;

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

} // namespace

result<void> check_name(std::string_view what, std::string_view name) {
  const bool is_good =
      !name.empty() && name.size() <= max_name_bytes && is_letter_or_digit(name.front()) &&
      std::ranges::all_of(name, [](char c) { return is_letter_or_digit(c) || c == '.' || c == '_' || c == '-'; });
  if (is_good) return {};
  return fail(errc::invalid,
              fmt::format("{} name '{}': use 1 to {} letters, digits, '.', '_' or '-', a letter or digit first", what,
                          printable(name, 80), max_name_bytes));
}

} // namespace fastptm::core
