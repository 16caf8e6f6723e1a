// Reading and checking what a user hands in.
#include "cli/inputs.hpp"

#include <cerrno>
#include <charconv>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "core/json.hpp"
#include "core/log.hpp"

namespace fastptm::cli {

namespace {

constexpr size_t max_inputs = 100'000;
constexpr uint64_t max_file_bytes = 64 << 20;
constexpr size_t read_bytes = 64 << 10;

// Also of what has no size beforehand: a pipe, /dev/stdin.
core::result<std::string> read_whole(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return core::fail(core::from_errno(errno, file));
  std::string text;
  std::vector<char> piece(read_bytes);
  while (in) {
    errno = 0;
    in.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    text.append(piece.data(), static_cast<size_t>(in.gcount()));
    if (text.size() > max_file_bytes) return core::fail(core::errc::invalid, file + ": longer than 64 MiB: split it");
  }
  if (!in.eof()) return core::fail(core::from_errno(errno == 0 ? EIO : errno, file));
  return text;
}

core::result<core::json_value> read_json(const std::string& file) {
  auto text = read_whole(file);
  if (!text) return core::fail(text.error());
  return core::parse_json(*text, file, {.size_bytes = max_file_bytes, .depth = 8, .values = 20'000'000});
}

core::result<std::vector<int32_t>> integers(const core::json_value& from, const std::string& where) {
  if (from.array() == nullptr)
    return core::fail(core::errc::invalid,
                      where + ": is " + std::string(from.kind()) + ", expected a list of integers");
  std::vector<int32_t> out;
  for (const auto& each : *from.array()) {
    const auto value = each.integer();
    if (!value || *value < INT32_MIN || *value > INT32_MAX) {
      return core::fail(core::errc::invalid,
                        fmt::format("{}: element {} is no 32-bit integer, expected a token id", where, out.size()));
    }
    out.push_back(static_cast<int32_t>(*value));
  }
  return out;
}

// What stands there and is not read would silently give another answer.
core::result<void> check_keys(const core::json_object& of, const std::string& where) {
  for (const auto& [key, value] : of) {
    if (key == "ids" || key == "token_types") continue;
    return core::fail(
        core::errc::invalid,
        fmt::format("{}: \"{}\" is not read: an input has \"ids\" and, if it needs them, \"token_types\"; "
                    "leave padding out instead of masking it",
                    where, core::printable(key, 60)));
  }
  return {};
}

// A list of ids, or {"ids": [...], "token_types": [...]}.
core::result<clients::input> input_of(const core::json_value& from, const std::string& where) {
  clients::input out;
  if (from.object() != nullptr)
    if (auto known = check_keys(*from.object(), where); !known) return core::fail(known.error());
  const auto* ids = from.object() == nullptr ? &from : from.find("ids");
  if (ids == nullptr) return core::fail(core::errc::invalid, where + ": has no \"ids\"");
  auto list = integers(*ids, where);
  if (!list) return core::fail(list.error());
  out.ids = std::move(*list);
  if (const auto* types = from.object() == nullptr ? nullptr : from.find("token_types")) {
    auto type_list = integers(*types, where + ".token_types");
    if (!type_list) return core::fail(type_list.error());
    out.token_types = std::move(*type_list);
  }
  return out;
}

// Two texts that are read together, in this order.
core::result<clients::input> pair_of(const core::json_value& from, const std::string& where) {
  const auto* parts = from.array();
  if (parts == nullptr || parts->size() != 2 || parts->front().string() == nullptr || parts->back().string() == nullptr)
    return core::fail(core::errc::invalid, where + ": expected a list of two strings, [first, second]");
  clients::input out;
  out.text = *parts->front().string();
  out.second = *parts->back().string();
  out.is_pair = true;
  return out;
}

// A JSON list whose elements are inputs.
core::result<void> add_list(std::vector<clients::input>& to, const std::string& file,
                            core::result<clients::input> (*one_of)(const core::json_value&, const std::string&)) {
  auto parsed = read_json(file);
  if (!parsed) return core::fail(parsed.error());
  if (parsed->array() == nullptr)
    return core::fail(core::errc::invalid,
                      file + ": is " + std::string(parsed->kind()) + ", expected a list of inputs");
  for (size_t i = 0; i < parsed->array()->size(); ++i) {
    auto one = one_of((*parsed->array())[i], fmt::format("{}: input {}", file, i));
    if (!one) return core::fail(one.error());
    to.push_back(std::move(*one));
  }
  return {};
}

std::optional<one_or_two_texts> texts_of(const core::json_value& from) {
  if (from.string() != nullptr) return one_or_two_texts{*from.string(), std::nullopt};
  const auto* pair = from.array();
  if (pair == nullptr || pair->size() != 2 || !pair->front().string() || !pair->back().string()) return std::nullopt;
  return one_or_two_texts{*pair->front().string(), *pair->back().string()};
}

clients::input text_input(std::string text) {
  clients::input out;
  out.text = std::move(text);
  out.is_text = true;
  return out;
}

} // namespace

core::result<std::vector<clients::input>> read_inputs(const input_options& from) {
  std::vector<clients::input> out;
  out.reserve(from.texts.size());
  for (const auto& text : from.texts) out.push_back(text_input(text));
  if (!from.lines_file.empty()) {
    auto text = read_whole(from.lines_file);
    if (!text) return core::fail(text.error());
    std::istringstream lines(*text);
    for (std::string line; std::getline(lines, line);) out.push_back(text_input(line));
  }
  if (!from.ids_file.empty()) {
    if (auto added = add_list(out, from.ids_file, input_of); !added) return core::fail(added.error());
  }
  if (!from.pairs_file.empty()) {
    if (auto added = add_list(out, from.pairs_file, pair_of); !added) return core::fail(added.error());
  }
  for (auto& each : out) each.prompt = from.prompt;
  const auto& file = !from.lines_file.empty() ? from.lines_file
                     : !from.ids_file.empty() ? from.ids_file
                                              : from.pairs_file;
  if (out.empty() && !file.empty()) return core::fail(core::errc::invalid, file + ": is empty: nothing to ask");
  if (out.empty())
    return core::fail(core::errc::invalid, "nothing to ask: use --text, --lines, --ids or, to classify, --pairs");
  if (out.size() > max_inputs)
    return core::fail(core::errc::invalid, fmt::format("{} inputs at once: at most {}", out.size(), max_inputs));
  return out;
}

core::result<std::vector<one_or_two_texts>> read_strings(const std::string& file) {
  auto parsed = read_json(file);
  if (!parsed) return core::fail(parsed.error());
  if (parsed->array() == nullptr) return core::fail(core::errc::invalid, file + ": expected a list of strings");
  std::vector<one_or_two_texts> out;
  for (const auto& each : *parsed->array()) {
    auto texts = texts_of(each);
    if (!texts) {
      return core::fail(core::errc::invalid, fmt::format("{}: element {} is {}, expected a string or two of them", file,
                                                         out.size(), each.kind()));
    }
    out.push_back(std::move(*texts));
  }
  return out;
}

core::result<core::duration_us> parse_duration(const std::string& text, core::duration_us most_us) {
  double value = 0;
  const auto* end = text.data() + text.size();
  const auto [stop, trouble] = std::from_chars(text.data(), end, value);
  const std::string_view unit(stop, static_cast<size_t>(end - stop));
  const double factor = unit == "us"    ? 1
                        : unit == "ms"  ? 1e3
                        : unit == "s"   ? 1e6
                        : unit == "min" ? 60e6
                        : unit == "h"   ? 3600e6
                                        : 0;
  const double us = value * factor;
  if (trouble != std::errc() || factor == 0 || !(us >= 1) || us > static_cast<double>(most_us)) {
    return core::fail(core::errc::invalid, fmt::format("'{}' is no time of at most {} h: write 500ms, 3s, 5min or 1h",
                                                       text, most_us / longest_duration_us));
  }
  return static_cast<core::duration_us>(us);
}

} // namespace fastptm::cli
