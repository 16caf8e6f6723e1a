// Structured log: an event with a stable id, a component, a level and one sentence. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace fastptm::core::log {

enum class level : uint8_t { debug, info, warn, error, none }; // none: as the least level, nothing is written

// Where lines go: stderr of this process, as `2026-01-31T12:00:00.123456Z info  node-a worker weights-bound: sentence`.
// Called once by main before threads start; without it warnings and errors go to stderr.
void open(std::string_view node_name, level least);

bool enabled(level at) noexcept;
void write(level at, std::string_view component, std::string_view event, std::string_view sentence);

// `event` is a stable kebab-case id that scripts may rely on; the sentence may change.
// Control characters of arguments are escaped by write().
template <class... Args>
void debug(std::string_view component, std::string_view event, fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(level::debug)) write(level::debug, component, event, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void info(std::string_view component, std::string_view event, fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(level::info)) write(level::info, component, event, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void warn(std::string_view component, std::string_view event, fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(level::warn)) write(level::warn, component, event, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void error(std::string_view component, std::string_view event, fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(level::error)) write(level::error, component, event, fmt::format(format, std::forward<Args>(args)...));
}

} // namespace fastptm::core::log

namespace fastptm::core {

// The text with control characters and broken UTF-8 bytes written as \xNN, cut to max_bytes:
// safe for a terminal and a log.
std::string printable(std::string_view text, size_t max_bytes = 300);

} // namespace fastptm::core
