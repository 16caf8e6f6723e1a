// Opens, and puts the new descriptor in the place of stdout and stderr.
#include "node/process/own_log.hpp"

#include <cerrno>
#include <cstdlib>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "core/error.hpp"
#include "core/log.hpp"

namespace fastptm::node {

int open_log_file(const std::filesystem::path& file) {
  return ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

own_log::own_log(std::filesystem::path file) : file_(std::move(file)), at_terminal_(::isatty(STDERR_FILENO) == 1) {}

own_log own_log::of_child() {
  const char* text = std::getenv(log_file_variable);
  std::filesystem::path file = text == nullptr ? "" : text;
  ::unsetenv(log_file_variable);
  return own_log(std::move(file));
}

bool own_log::on_hang_up() {
  if (at_terminal_ && ::isatty(STDERR_FILENO) != 1) return false;
  if (file_.empty()) return true;
  const int opened = open_log_file(file_);
  if (opened < 0) {
    core::log::warn("node", "log-not-reopened", "{}", core::from_errno(errno, file_.string()).message);
    return true;
  }
  ::dup2(opened, STDOUT_FILENO);
  ::dup2(opened, STDERR_FILENO);
  ::close(opened);
  core::log::info("node", "log-reopened", "after a hang-up signal");
  return true;
}

} // namespace fastptm::node
