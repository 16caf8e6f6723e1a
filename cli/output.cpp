// Writes to the two standard streams.
#include "cli/output.hpp"

#include <cstdio>
#include <string>

#include "core/log.hpp"

namespace fastptm::cli {

namespace {

void write_line(std::FILE* stream, std::string_view line) {
  std::fwrite(line.data(), 1, line.size(), stream);
  std::fputc('\n', stream);
}

} // namespace

int failed(const core::error& cause) {
  std::fflush(stdout);
  std::string_view rest = cause.message;
  while (!rest.empty()) {
    const auto end = std::min(rest.find('\n'), rest.size());
    write_line(stderr, "fastptm: " + core::printable(rest.substr(0, end), 480));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return 1;
}

void print_line(std::string_view line) {
  write_line(stdout, line);
}

void say(std::string_view line) {
  write_line(stderr, core::printable(line, 480));
}

} // namespace fastptm::cli
