// Lines of `name=value`; see canonical.hpp.
#include "models/canonical.hpp"

#include <charconv>

#include <fmt/format.h>

namespace fastptm::models {

void canonical_writer::operator()(std::string_view name, uint32_t value, uint32_t by_default) {
  if (value != by_default) text += fmt::format("{}={}\n", name, value);
}

void canonical_writer::operator()(std::string_view name, double value, double by_default) {
  if (value != by_default) text += fmt::format("{}={:016x}\n", name, std::bit_cast<uint64_t>(value));
}

std::string_view canonical_reader::take(std::string_view name) {
  const auto end = left_.find('\n');
  if (end == std::string_view::npos || !left_.starts_with(name)) return {};
  const std::string_view line = left_.substr(name.size(), end - name.size());
  if (!line.starts_with('=')) return {};
  left_.remove_prefix(end + 1);
  return line.substr(1);
}

void canonical_reader::operator()(std::string_view name, uint32_t& value, uint32_t by_default) {
  const auto digits = take(name);
  value = by_default;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
}

void canonical_reader::operator()(std::string_view name, double& value, double by_default) {
  const auto digits = take(name);
  auto bits = std::bit_cast<uint64_t>(by_default);
  std::from_chars(digits.data(), digits.data() + digits.size(), bits, 16);
  value = std::bit_cast<double>(bits);
}

} // namespace fastptm::models
