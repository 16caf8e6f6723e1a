// Both ends of the readiness pipe.
#include "node/process/readiness.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "core/log.hpp"

namespace fastptm::node {

namespace {

constexpr std::string_view ready_word = "ready";
constexpr std::string_view failed_word = "failed ";
constexpr size_t max_line_bytes = 4096;

} // namespace

readiness_reporter::readiness_reporter() {
  const char* text = std::getenv(readiness_variable);
  if (text == nullptr) return;
  descriptor_ = std::atoi(text);
  ::unsetenv(readiness_variable);
  if (::fcntl(descriptor_, F_SETFD, FD_CLOEXEC) != 0) descriptor_ = -1;
}

readiness_reporter::~readiness_reporter() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void readiness_reporter::say(std::string_view line) {
  if (descriptor_ < 0) return;
  const auto text = std::string(line) + "\n";
  // The launcher may be gone: then nobody wants to know.
  [[maybe_unused]] const auto written = ::write(descriptor_, text.data(), text.size());
  ::close(std::exchange(descriptor_, -1));
}

void readiness_reporter::ready() {
  say(ready_word);
}
void readiness_reporter::failed(std::string_view why) {
  say(std::string(failed_word) + core::printable(why, 2000));
}

readiness_parser::outcome readiness_parser::feed(std::string_view bytes) {
  const auto end = bytes.find('\n');
  line_ += bytes.substr(0, std::min(end, max_line_bytes - line_.size()));
  if (end == std::string_view::npos) return outcome::none;
  const auto line = std::exchange(line_, {});
  if (line == ready_word) return outcome::ready;
  why_ = line.starts_with(failed_word) ? line.substr(failed_word.size()) : line;
  return outcome::failed;
}

} // namespace fastptm::node
