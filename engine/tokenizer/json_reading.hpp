// Small readers for the JSON of tokenizer files: each names the file and the member it does not understand.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "core/error.hpp"
#include "core/json.hpp"

namespace fastptm::engine {

template <class... Args> tl::unexpected<core::error> refuse(fmt::format_string<Args...> format, Args&&... args) {
  return core::fail(core::errc::invalid, fmt::format(format, std::forward<Args>(args)...));
}

// The member of that name; null also where the file says null.
const core::json_value* member(const core::json_value& of, std::string_view key);

// A missing or null member leaves `value` as it is; one of another kind is refused.
core::result<void> read_flag(std::string_view file, const core::json_value& of, std::string_view key, bool& value);
core::result<void> read_text(std::string_view file, const core::json_value& of, std::string_view key,
                             std::string& value);

// The `type` of a member such as "normalizer", printable: "none" if the member is missing or null.
std::string type_of(const core::json_value& document, std::string_view key);

// An integer from 0 to 2^31-1.
std::optional<int32_t> id_of(const core::json_value& value);

// The parsed text, which must be an object; an empty text is an empty object.
core::result<core::json_value> parse_object(std::string_view text, std::string_view file);

} // namespace fastptm::engine
