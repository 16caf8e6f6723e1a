// Builds the tree from nlohmann's event parser, whose own tree would silently keep the last of two equal keys.
#include "core/json.hpp"

#include <limits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/log.hpp"

namespace fastptm::core {

std::optional<bool> json_value::boolean() const {
  if (const auto* b = std::get_if<bool>(&value_)) return *b;
  return std::nullopt;
}

std::optional<uint64_t> json_value::unsigned_integer() const {
  if (const auto* u = std::get_if<uint64_t>(&value_)) return *u;
  return std::nullopt;
}

std::optional<int64_t> json_value::integer() const {
  if (const auto* i = std::get_if<int64_t>(&value_)) return *i;
  const auto* u = std::get_if<uint64_t>(&value_);
  if (u && *u <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return static_cast<int64_t>(*u);
  return std::nullopt;
}

std::optional<double> json_value::number() const {
  if (const auto* i = std::get_if<int64_t>(&value_)) return static_cast<double>(*i);
  if (const auto* u = std::get_if<uint64_t>(&value_)) return static_cast<double>(*u);
  if (const auto* d = std::get_if<double>(&value_)) return *d;
  return std::nullopt;
}

const json_value* json_value::find(std::string_view key) const {
  const auto* members = object();
  if (!members) return nullptr;
  const auto at = members->find(key);
  return at == members->end() ? nullptr : &at->second;
}

std::string_view json_value::kind() const {
  constexpr std::string_view names[] = {"null",     "a boolean", "a negative integer", "an integer", "a number",
                                        "a string", "a list",    "an object"};
  return names[value_.index()];
}

namespace {

// Receives the parser's events and hangs values into the tree; the first refusal is the error.
class tree_builder final : public nlohmann::json_sax<nlohmann::json> {
public:
  explicit tree_builder(const json_limits& limits) : limits_(limits) {}

  json_value take_root() { return std::move(root_); }
  const std::string& refusal() const { return refusal_; }

  bool null() override { return add(nullptr) != nullptr; }
  bool boolean(bool value) override { return add(value) != nullptr; }
  bool number_integer(number_integer_t value) override { return add(int64_t{value}) != nullptr; }
  bool number_unsigned(number_unsigned_t value) override { return add(uint64_t{value}) != nullptr; }
  bool number_float(number_float_t value, const string_t&) override { return add(double{value}) != nullptr; }
  bool string(string_t& value) override { return add(std::move(value)) != nullptr; }
  bool binary(binary_t&) override { return refuse("binary value"); }
  bool start_object(size_t) override { return open(json_object{}); }
  bool start_array(size_t) override { return open(json_array{}); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    const auto [at, is_new] = std::get<json_object>(open_.back()->stored()).try_emplace(std::move(name));
    if (!is_new) return refuse(fmt::format("duplicate key '{}'", core::printable(at->first, 80)));
    member_ = &at->second;
    return true;
  }

  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception& cause) override {
    std::string_view reason = cause.what();
    if (const auto at = reason.rfind(" - "); at != std::string_view::npos) reason.remove_prefix(at + 3);
    return refuse(fmt::format("not valid JSON at byte {}: {}", position, core::printable(reason, 160)));
  }

private:
  bool refuse(std::string why) {
    if (refusal_.empty()) refusal_ = std::move(why);
    return false;
  }

  // Where the next value belongs. Pointers into a list stay valid: only its last element is ever open.
  json_value* place() {
    if (open_.empty()) return &root_;
    if (auto* list = std::get_if<json_array>(&open_.back()->stored())) return &list->emplace_back();
    return member_;
  }

  json_value* add(json_value::storage value) {
    if (++values_ > limits_.values) {
      refuse(fmt::format("too many values in the JSON: more than the limit of {}", limits_.values));
      return nullptr;
    }
    json_value* at = place();
    at->stored() = std::move(value);
    return at;
  }

  bool open(json_value::storage empty) {
    if (open_.size() >= limits_.depth) {
      return refuse(fmt::format("JSON lists and objects nested deeper than the limit of {}", limits_.depth));
    }
    json_value* at = add(std::move(empty));
    if (!at) return false;
    open_.push_back(at);
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  const json_limits limits_;
  json_value root_;
  std::vector<json_value*> open_;
  json_value* member_ = nullptr;
  uint64_t values_ = 0;
  std::string refusal_;
};

} // namespace

core::result<json_value> parse_json(std::string_view text, std::string_view what, const json_limits& limits) {
  const auto fail = [&](std::string_view why) {
    return core::fail(core::errc::invalid, fmt::format("{}: {}", core::printable(what, 120), why));
  };
  if (text.size() > limits.size_bytes) {
    return fail(fmt::format("{} bytes of JSON, more than the limit of {}", text.size(), limits.size_bytes));
  }
  if (text.empty()) return fail("empty, expected JSON");
  // The parser takes a zero byte for the end of the text and would not look at what follows.
  if (text.find('\0') != std::string_view::npos) return fail("not valid JSON: a zero byte in the text");
  tree_builder builder(limits);
  if (!nlohmann::json::sax_parse(text, &builder)) return fail(builder.refusal());
  return builder.take_root();
}

} // namespace fastptm::core
