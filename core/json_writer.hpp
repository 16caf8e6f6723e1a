// Writes JSON values, one line each: what `--json` prints.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fastptm::core {

std::string json_text(std::string_view text);              // quoted and escaped; broken UTF-8 becomes U+FFFD
std::string json_number(double value);                     // null when it is not finite
std::string json_number(float value);                      // the same, with a float's digits
std::string json_floats(const std::vector<float>& values); // shortest digits that read back the same

// Members in the order they are added.
class json_writer {
public:
  json_writer& text(std::string_view key, std::string_view value) { return raw(key, json_text(value)); }
  json_writer& number(std::string_view key, int64_t value) { return raw(key, std::to_string(value)); }
  json_writer& number(std::string_view key, uint64_t value) { return raw(key, std::to_string(value)); }
  json_writer& real(std::string_view key, double value) { return raw(key, json_number(value)); }
  json_writer& flag(std::string_view key, bool value) { return raw(key, value ? "true" : "false"); }
  // `value` is JSON already.
  json_writer& raw(std::string_view key, std::string_view value);

  std::string str() const { return members_.empty() ? "{}" : members_ + "}"; }

private:
  std::string members_;
};

class json_list {
public:
  json_list& add(std::string_view value); // JSON already
  std::string str() const { return elements_.empty() ? "[]" : elements_ + "]"; }

private:
  std::string elements_;
};

} // namespace fastptm::core
