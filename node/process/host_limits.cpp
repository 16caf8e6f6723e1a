// getrlimit, and tries of what cannot be asked for.
#include "node/process/host_limits.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <exception>
#include <new>
#include <semaphore>
#include <system_error>
#include <vector>

#include <fmt/format.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/host_memory.hpp"
#include "core/log.hpp"
#include "core/units.hpp"

namespace fastptm::node {

using namespace core::literals;

namespace {

// Measured: a worker has 20 files open and 14 threads, a head 40 and 19; with room for what libraries do for a moment.
constexpr unsigned files_of_node = 64;
constexpr unsigned files_of_peer = 4; // control and data, both ways
constexpr unsigned threads_of_node = 24;
// Stacks, heaps and what is loaded later;
// with a quarter less a head still starts, with a third less its threads do not.
constexpr uint64_t address_of_node_bytes = 768_MiB;

// What is more than needed is for strangers whom a library accepts; a library may keep a table with a row for each.
constexpr rlim_t most_files_to_ask_for = 1 << 16;

void raise_open_files(rlimit& limit, unsigned needed) {
  const auto wanted = std::max<rlim_t>(needed, most_files_to_ask_for);
  if (limit.rlim_cur >= wanted || limit.rlim_cur >= limit.rlim_max) return;
  rlimit raised = limit;
  raised.rlim_cur = std::min(limit.rlim_max, wanted);
  if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
}

core::result<void> check_open_files(const host_needs& needs) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return {}; // not known: then it is met when it is met
  raise_open_files(limit, needs.most_files);
  core::log::info("node", "open-files", "limited to {}, at most {} are needed", limit.rlim_cur, needs.most_files);
  if (limit.rlim_cur < needs.least_files) {
    return core::fail(core::errc::quota_exceeded,
                      fmt::format("open files are limited to {} and {} are needed: raise `ulimit -n` (LimitNOFILE of "
                                  "a unit, --ulimit nofile of a container)",
                                  limit.rlim_cur, needs.least_files));
  }
  if (limit.rlim_cur < needs.most_files) {
    core::log::warn("node", "few-open-files",
                    "{} may be open and {} would be with all the connections that the configuration allows: raise "
                    "`ulimit -n`, or lower maxConnections",
                    limit.rlim_cur, needs.most_files);
  }
  return {};
}

core::result<void> try_address_space(uint64_t bytes) {
  void* const tried = ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (tried != MAP_FAILED) {
    ::munmap(tried, bytes);
    return {};
  }
  return core::fail(core::errc::does_not_fit,
                    fmt::format("{} MiB of address space are needed and not allowed: raise `ulimit -v`, or configure "
                                "smaller arenas and caches",
                                bytes >> 20));
}

// Each waits until all have been tried.
class tried_threads {
public:
  ~tried_threads() {
    leave_.release(static_cast<std::ptrdiff_t>(threads_.size()));
    for (const auto each : threads_) ::pthread_join(each, nullptr);
  }
  // 0 or an errno.
  int add() {
    pthread_t made{};
    const int failure = ::pthread_create(&made, nullptr, wait, this);
    if (failure == 0) threads_.push_back(made);
    return failure;
  }
  size_t count() const { return threads_.size(); }

private:
  static void* wait(void* self) {
    static_cast<tried_threads*>(self)->leave_.acquire();
    return nullptr;
  }

  std::counting_semaphore<> leave_{0};
  std::vector<pthread_t> threads_;
};

core::result<void> try_threads(unsigned wanted) {
  tried_threads tried;
  int failure = 0;
  while (tried.count() < wanted && failure == 0) failure = tried.add();
  if (failure == 0) return {};
  return core::fail(core::errc::quota_exceeded,
                    fmt::format("{} threads are needed and {} can be started ({}): raise `ulimit -u`, `ulimit -v`, "
                                "`ulimit -d`, or pids.max of the container",
                                wanted, tried.count(), core::from_errno(failure, "pthread_create").message));
}

[[noreturn]] void end_plainly() {
  // Destroying what a half-started part leaves behind comes here without an exception.
  std::string why = "a part could not be started: most likely a limit of threads or memory (`ulimit -u`, `ulimit -v`)";
  try {
    if (const auto current = std::current_exception()) std::rethrow_exception(current);
  } catch (const std::exception& cause) {
    why = plain_reason(cause);
  } catch (...) { // NOLINT(bugprone-empty-catch): it has no text, `why` stays as it is
  }
  const auto line = "fastptm: " + core::printable(why, 400) + "\n";
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
  ::_exit(1);
}

// Of tenants and operators, strangers on both ports, and the pages.
unsigned most_connections(const gateway_config& gateway) {
  return gateway.max_connections + gateway.max_admin_connections + 2 * gateway.max_strangers +
         gateway.max_http_connections;
}

} // namespace

host_needs needs_of(const cluster_config& config, const node_config& self) {
  host_needs out;
  for (const auto& device : self.devices) out.memory_bytes += device.arena_bytes;
  if (self.store) out.memory_bytes += self.host_cache_bytes;
  out.address_bytes = out.memory_bytes + address_of_node_bytes;
  const auto peers = static_cast<unsigned>(config.nodes.size());
  out.least_files = files_of_node + (self.head ? files_of_peer * peers : 0);
  out.most_files = files_of_node + files_of_peer * peers + (self.head ? most_connections(config.gateway) : 0);
  out.threads = threads_of_node;
  for (const auto& device : self.devices) out.threads += device.threads;
  return out;
}

core::result<void> check_host(const host_needs& needs) {
  if (auto files = check_open_files(needs); !files) return files;
  if (auto memory = core::check_memory(needs.memory_bytes, "arenas and caches", "lower arenaMib or hostCacheMib");
      !memory)
    return memory;
  if (auto address = try_address_space(needs.address_bytes); !address) return address;
  return try_threads(needs.threads);
}

std::string plain_reason(const std::exception& cause) {
  if (dynamic_cast<const std::bad_alloc*>(&cause) != nullptr)
    return "out of memory: raise `ulimit -v` or the container's memory, or configure smaller arenas and caches";
  if (const auto* failure = dynamic_cast<const std::system_error*>(&cause);
      failure != nullptr && failure->code().value() == EAGAIN)
    return "a thread cannot be started: raise `ulimit -u`, `ulimit -v`, or pids.max of the container";
  return cause.what();
}

void meet_limits_plainly() {
  std::set_terminate(end_plainly);
  ::signal(SIGXFSZ, SIG_IGN);
}

} // namespace fastptm::node
