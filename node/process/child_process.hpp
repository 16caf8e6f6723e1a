// A child process that never outlives its parent.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "core/error.hpp"

namespace fastptm::node {

struct child_options {
  std::vector<std::string> arguments;                           // of this program, without its name
  std::vector<std::pair<std::string, std::string>> environment; // added to ours
  std::filesystem::path log_file; // its stdout and stderr, appended; moved to .1 when it is too long
};

struct child {
  pid_t pid = 0;
  int readiness = -1; // read end of its readiness pipe, non-blocking; the caller closes it
};

// What a fork that failed with this errno means, and the way out.
core::error fork_error(int number);

// Forks and executes this same program. The kernel kills it when the calling thread ends, however that happens, so call
// it from the main thread. Its own process group: a Ctrl-C in the terminal reaches only the parent.
core::result<child> start_child(const child_options& options);

} // namespace fastptm::node
