// Fork, environment, descriptors, exec.
#include "node/process/child_process.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "core/units.hpp"
#include "node/process/own_log.hpp"
#include "node/process/readiness.hpp"

namespace fastptm::node {

using namespace core::literals;

namespace {

constexpr uint64_t longest_log_bytes = 16_MiB; // with its predecessor, 32 MiB a node

int open_log(const std::filesystem::path& file) {
  std::error_code trouble;
  if (const auto size = std::filesystem::file_size(file, trouble); !trouble && size > longest_log_bytes) {
    std::filesystem::rename(file, file.string() + ".1", trouble);
  }
  return open_log_file(file);
}

// Strings prepared before fork: the child of a process with threads may only make system calls.
struct image {
  std::vector<std::string> arguments, environment;
  std::vector<char*> argument_pointers, environment_pointers;
};

image make_image(const child_options& options, int ready_descriptor) {
  image out;
  out.arguments.emplace_back("fastptm");
  out.arguments.insert(out.arguments.end(), options.arguments.begin(), options.arguments.end());
  for (char** each = environ; *each != nullptr; ++each) out.environment.emplace_back(*each);
  for (const auto& [name, value] : options.environment) out.environment.push_back(fmt::format("{}={}", name, value));
  out.environment.push_back(fmt::format("{}={}", readiness_variable, ready_descriptor));
  out.environment.push_back(fmt::format("{}={}", log_file_variable, options.log_file.string()));
  for (auto& text : out.arguments) out.argument_pointers.push_back(text.data());
  for (auto& text : out.environment) out.environment_pointers.push_back(text.data());
  out.argument_pointers.push_back(nullptr);
  out.environment_pointers.push_back(nullptr);
  return out;
}

[[noreturn]] void become(image& what, pid_t parent, int log, int ready_descriptor) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1); // it died before the line above
  // A hang-up is forwarded at any time: it waits until the child looks for it.
  sigset_t only_hang_up;
  sigemptyset(&only_hang_up);
  sigaddset(&only_hang_up, SIGHUP);
  ::sigprocmask(SIG_SETMASK, &only_hang_up, nullptr);
  const int empty = ::open("/dev/null", O_RDONLY);
  if (empty >= 0) ::dup2(empty, STDIN_FILENO);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  ::fcntl(ready_descriptor, F_SETFD, 0);
  ::execve("/proc/self/exe", what.argument_pointers.data(), what.environment_pointers.data());
  constexpr std::string_view why = "fastptm: /proc/self/exe cannot be executed: is /proc mounted?\n";
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, why.data(), why.size());
  ::_exit(127);
}

} // namespace

core::error fork_error(int number) {
  return {core::errc::quota_exceeded, core::from_errno(number, "a process cannot be started").message +
                                          ": raise `ulimit -u`, or pids.max of the container"};
}

core::result<child> start_child(const child_options& options) {
  const int log = open_log(options.log_file);
  if (log < 0) return core::fail(core::from_errno(errno, options.log_file.string()));
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    ::close(log);
    return core::fail(core::from_errno(errno, "pipe"));
  }
  auto what = make_image(options, ends[1]);
  const auto parent = ::getpid();
  const auto pid = ::fork();
  if (pid == 0) become(what, parent, log, ends[1]);
  const int number = errno;
  ::close(log);
  ::close(ends[1]);
  if (pid < 0) {
    ::close(ends[0]);
    return core::fail(fork_error(number));
  }
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return child{pid, ends[0]};
}

} // namespace fastptm::node
