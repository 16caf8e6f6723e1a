// The log behind spdlog: one process-wide sink, because a log line belongs to the process and not to a component.
#include "core/log.hpp"

#include <atomic>
#include <chrono>
#include <memory>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace fastptm::core::log {

namespace {

struct sink {
  std::string node_name;
  std::shared_ptr<spdlog::logger> logger;
};

std::shared_ptr<spdlog::logger> make_logger() {
  auto logger = std::make_shared<spdlog::logger>("fastptm", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%fZ %-5l %v", spdlog::pattern_time_type::utc);
  logger->set_level(spdlog::level::trace);
  logger->flush_on(spdlog::level::trace);
  return logger;
}

sink& the_sink() {
  static sink instance{"-", make_logger()};
  return instance;
}

std::atomic<level> least_level{level::warn};

spdlog::level::level_enum to_spdlog(level at) {
  switch (at) {
    case level::debug:
      return spdlog::level::debug;
    case level::info:
      return spdlog::level::info;
    case level::warn:
      return spdlog::level::warn;
    case level::error:
    case level::none:
      break;
  }
  return spdlog::level::err;
}

} // namespace

void open(std::string_view node_name, level least) {
  the_sink().node_name = node_name;
  least_level.store(least, std::memory_order_relaxed);
}

bool enabled(level at) noexcept {
  return at >= least_level.load(std::memory_order_relaxed);
}

void write(level at, std::string_view component, std::string_view event, std::string_view sentence) {
  auto& out = the_sink();
  out.logger->log(to_spdlog(at), "{} {} {}: {}", out.node_name, component, event, printable(sentence, 2000));
}

} // namespace fastptm::core::log

namespace fastptm::core {

namespace {

// Length of the well-formed UTF-8 sequence at the front of `text`; 0 if it is not one.
size_t utf8_length(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const size_t length = lead < 0x80                   ? 1
                        : lead >= 0xc2 && lead < 0xe0 ? 2
                        : lead >= 0xe0 && lead < 0xf0 ? 3
                        : lead >= 0xf0 && lead < 0xf5 ? 4
                                                      : 0;
  if (length == 0 || length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) return 0;
  }
  return length;
}

bool is_control(std::string_view sequence) {
  const auto lead = static_cast<unsigned char>(sequence[0]);
  // U+0080 to U+009F are control characters, too; a terminal may obey them.
  return lead < 0x20 || lead == 0x7f || (lead == 0xc2 && static_cast<unsigned char>(sequence[1]) < 0xa0);
}

} // namespace

std::string printable(std::string_view text, size_t max_bytes) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    if (out.size() >= max_bytes) return out + "...";
    const size_t length = utf8_length(text.substr(at));
    if (length > 0 && !is_control(text.substr(at, length))) {
      out += text.substr(at, length);
      at += length;
    } else {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[at]));
      ++at;
    }
  }
  return out;
}

} // namespace fastptm::core
