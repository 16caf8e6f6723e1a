// Parses JSON that somebody else wrote: bounded, strict, into a small tree.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/error.hpp"

namespace fastptm::core {

class json_value;
using json_array = std::vector<json_value>;
using json_object = std::map<std::string, json_value, std::less<>>;

// One value. Every accessor answers "nothing" for a value of another kind; none converts between kinds.
class json_value {
public:
  using storage = std::variant<std::nullptr_t, bool, int64_t, uint64_t, double, std::string, json_array, json_object>;

  json_value() = default;
  explicit json_value(storage value) : value_(std::move(value)) {}

  bool is_null() const { return std::holds_alternative<std::nullptr_t>(value_); }
  std::optional<bool> boolean() const;
  // Integers as written without a fraction or exponent: 100, not 1e2 and not 100.0.
  std::optional<uint64_t> unsigned_integer() const;
  std::optional<int64_t> integer() const;
  // Any number.
  std::optional<double> number() const;
  const std::string* string() const { return std::get_if<std::string>(&value_); }
  const json_array* array() const { return std::get_if<json_array>(&value_); }
  const json_object* object() const { return std::get_if<json_object>(&value_); }

  // The member of that name; null if there is none or this is no object.
  const json_value* find(std::string_view key) const;

  // What it is, for messages: "null", "a boolean", "an integer", "a negative integer", "a number", "a string", "a
  // list", "an object".
  std::string_view kind() const;

  storage& stored() { return value_; }

private:
  storage value_ = nullptr;
};

struct json_limits {
  uint64_t size_bytes = 16 << 20; // longer texts are refused unread
  uint32_t depth = 64;
  uint64_t values = 2'000'000; // a vocabulary with merges of 128 k tokens has one million
};

// Refuses what RFC 8259 refuses, and also duplicate keys, lone surrogates, bytes that are not UTF-8, anything but white
// space after the value, and whatever exceeds the limits. Messages begin with `what`, e.g. "config.json".
core::result<json_value> parse_json(std::string_view text, std::string_view what, const json_limits& limits = {});

} // namespace fastptm::core
