// What a process will need of this machine, asked before anything is started.
// So a limit is named in one line, and nothing has to be torn down.
#pragma once

#include <cstdint>
#include <exception>
#include <string>

#include "core/error.hpp"
#include "node/config/config.hpp"

namespace fastptm::node {

struct host_needs {
  uint64_t memory_bytes = 0;  // arenas, caches
  uint64_t address_bytes = 0; // the same and what code, stacks and the heap take
  unsigned least_files = 0;   // open at once: not to be done without
  unsigned most_files = 0;    // with every connection that the configuration allows
  unsigned threads = 0;
};

host_needs needs_of(const cluster_config& config, const node_config& self);

// Raises the soft limit of open files as far as the hard one allows. does_not_fit or quota_exceeded: the limit by name
// and the way out. Starts and ends as many threads as will be needed: before any other thread.
core::result<void> check_host(const host_needs& needs);

// What an exception of a library means for whoever started this process:
// most likely a thread or memory that the machine refuses.
std::string plain_reason(const std::exception& cause);

// Process-wide, first of all. An exception that nobody catches ends the process with its plain reason on stderr and
// exit code 1 instead of an abort;
// a file that would become longer than `ulimit -f` is an error of its write and no signal.
void meet_limits_plainly();

} // namespace fastptm::node
