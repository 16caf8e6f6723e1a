// Nothing is converted between kinds: "true" is no flag and 1.0 no id.
#include "engine/tokenizer/json_reading.hpp"

#include "core/log.hpp"

namespace fastptm::engine {

using core::fail;
using core::json_value;

const json_value* member(const json_value& of, std::string_view key) {
  const json_value* found = of.find(key);
  return found && !found->is_null() ? found : nullptr;
}

core::result<void> read_flag(std::string_view file, const json_value& of, std::string_view key, bool& value) {
  const json_value* found = member(of, key);
  if (!found) return {};
  if (!found->boolean()) return refuse("{}: {} is {}: expected true or false", file, key, found->kind());
  value = *found->boolean();
  return {};
}

core::result<void> read_text(std::string_view file, const json_value& of, std::string_view key, std::string& value) {
  const json_value* found = member(of, key);
  if (!found) return {};
  if (!found->string()) return refuse("{}: {} is {}: expected a string", file, key, found->kind());
  value = *found->string();
  return {};
}

std::string type_of(const json_value& document, std::string_view key) {
  const json_value* part = member(document, key);
  if (!part) return "none";
  const json_value* type = part->find("type");
  return type && type->string() ? core::printable(*type->string(), 60) : "without a type";
}

std::optional<int32_t> id_of(const json_value& value) {
  const auto id = value.unsigned_integer();
  if (!id || *id > INT32_MAX) return std::nullopt;
  return static_cast<int32_t>(*id);
}

core::result<json_value> parse_object(std::string_view text, std::string_view file) {
  auto document = core::parse_json(text.empty() ? "{}" : text, file);
  if (!document) return fail(document.error());
  if (!document->object()) return refuse("{}: {}, expected an object", file, document->kind());
  return document;
}

} // namespace fastptm::engine
