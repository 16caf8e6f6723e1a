// JSON that somebody else wrote: what is accepted can be walked, and says the same when it is written and read again.
#include "core/json.hpp"

#include <cmath>

#include "core/check.hpp"
#include "core/json_writer.hpp"

namespace fastptm::core {
namespace {

std::string written(const json_value& value);

std::string written_list(const json_array& elements) {
  json_list out;
  for (const auto& each : elements) out.add(written(each));
  return out.str();
}

std::string written_object(const json_value& of) {
  json_writer out;
  for (const auto& [key, value] : *of.object()) {
    check(of.find(key) == &value, "a member is found by its name");
    out.raw(key, written(value));
  }
  return out.str();
}

std::string written(const json_value& value) {
  if (value.is_null()) return "null";
  if (const auto flag = value.boolean()) return *flag ? "true" : "false";
  if (const auto whole = value.unsigned_integer()) return std::to_string(*whole);
  if (const auto negative = value.integer()) return std::to_string(*negative);
  if (const auto* text = value.string()) return json_text(*text);
  if (const auto* list = value.array()) return written_list(*list);
  if (value.object()) return written_object(value);
  check(std::isfinite(*value.number()), "JSON has no number that is not finite");
  return json_number(*value.number());
}

} // namespace
} // namespace fastptm::core

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fastptm;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  core::check(core::parse_json(core::json_text(input), "text").has_value(), "any text can be written as JSON");
  const auto first = core::parse_json(input, "input");
  if (!first) {
    core::check(first.error().message.starts_with("input: "), "a refusal names what was read");
    return 0;
  }
  const auto text = core::written(*first);
  const auto again = core::parse_json(text, "written");
  core::check(again.has_value(), "what we write is JSON");
  core::check(core::written(*again) == text, "what we write reads back the same");
  return 0;
}
