// `fastptm up`: in the foreground, or detached behind a pipe that reports until all nodes are ready.
#include <cerrno>
#include <csignal>
#include <optional>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "core/log.hpp"
#include "node/process/up.hpp"

namespace fastptm::cli {

namespace {

struct options {
  std::string config;
  std::string state = node::state_folder::default_path().string();
  bool detach = false;
};

void block_signals() {
  sigset_t ours;
  sigemptyset(&ours);
  for (const int number : {SIGCHLD, SIGTERM, SIGINT, SIGHUP}) sigaddset(&ours, number);
  ::sigprocmask(SIG_BLOCK, &ours, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
}

std::vector<std::string> names_of(const std::vector<node::tenant_config>& tenants) {
  std::vector<std::string> out;
  out.reserve(tenants.size());
  for (const auto& tenant : tenants) out.push_back(tenant.name);
  return out;
}

struct prepared {
  node::cluster_config config;
  node::state_folder folder;
  node::file_lock lock;
};

core::result<prepared> prepare(const options& from) {
  auto config = node::load_config(from.config);
  if (!config) return core::fail(config.error());
  auto folder = node::state_folder::create(from.state, names_of(config->tenants));
  if (!folder) return core::fail(folder.error());
  auto lock = node::file_lock::take(folder->lock_file());
  if (!lock && lock.error().code == core::errc::already_exists) {
    return core::fail(core::errc::already_exists,
                      fmt::format("a cluster already runs in {} (pid {}): stop it with `fastptm down --state {}`",
                                  folder->path().string(), node::file_lock::holder(folder->lock_file()).value_or(0),
                                  folder->path().string()));
  }
  if (!lock) return core::fail("state folder", lock.error());
  return prepared{std::move(*config), std::move(*folder), std::move(*lock)};
}

std::filesystem::path absolute_path(const std::string& file) {
  std::error_code trouble;
  const auto path = std::filesystem::absolute(file, trouble);
  return trouble ? std::filesystem::path(file) : path;
}

int run_attached(const options& from, const prepared& what) {
  what.lock.own();
  node::node_keeper keeper(what.config, what.folder, {.config_file = absolute_path(from.config)}, say);
  if (auto started = keeper.start(); !started) return failed(started.error());
  say(fmt::format("all nodes are ready: `fastptm status --state {}`; Ctrl-C stops them", what.folder.path().string()));
  keeper.keep();
  return 0;
}

// -- detached ---------------------------------------------------------------------------------------------------------

constexpr char done_mark = '\x01'; // ends the report: everything is ready

void write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const auto n = ::write(descriptor, text.data(), text.size());
    if (n <= 0) return; // nobody reads any more
    text.remove_prefix(static_cast<size_t>(n));
  }
}

// The keeper in the background. Until all is ready it ends with the command that started it.
int run_detached_child(const options& from, const prepared& what, int report, pid_t parent) {
  ::setsid();
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) return 1;
  const int empty = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  const int log = node::open_log_file(what.folder.log_file("up"));
  ::dup2(empty, STDIN_FILENO);
  ::dup2(empty, STDOUT_FILENO);
  ::dup2(log >= 0 ? log : empty, STDERR_FILENO);
  what.lock.own();

  bool attached = true;
  node::up_options how{.config_file = absolute_path(from.config), .log = node::own_log(what.folder.log_file("up"))};
  node::node_keeper keeper(what.config, what.folder, std::move(how), [&](std::string_view line) {
    say(line);
    if (attached) write_all(report, std::string(line) + "\n");
  });
  if (auto started = keeper.start(); !started) {
    write_all(report, "fastptm: " + core::printable(started.error().message, 480) + "\n");
    return failed(started.error());
  }
  ::prctl(PR_SET_PDEATHSIG, 0);
  write_all(report, {&done_mark, 1});
  ::close(report);
  attached = false;
  keeper.keep();
  return 0;
}

// Copies the report to stderr; true when it ended with the mark.
bool follow(int report) {
  bool done = false;
  char bytes[1024];
  for (ssize_t n; (n = ::read(report, bytes, sizeof bytes)) != 0;) {
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) break;
    std::string text(bytes, static_cast<size_t>(n));
    done |= text.find(done_mark) != std::string::npos;
    std::erase(text, done_mark);
    write_all(STDERR_FILENO, text);
    if (done) break;
  }
  return done;
}

int run_detached(const options& from, const prepared& what) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return failed(core::from_errno(errno, "pipe"));
  const auto parent = ::getpid();
  const auto pid = ::fork();
  if (pid < 0) return failed(node::fork_error(errno));
  if (pid == 0) {
    ::close(ends[0]);
    const int code = run_detached_child(from, what, ends[1], parent);
    std::fflush(nullptr);
    ::_exit(code);
  }
  ::close(ends[1]);
  // Ctrl-C ends this process, and with it the nodes: the child asked the kernel to tell it.
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (follow(ends[0])) return 0;
  ::waitpid(pid, nullptr, 0);
  return 1;
}

int run(const options& from) {
  block_signals();
  core::log::open("up", core::log::level::info);
  auto what = prepare(from);
  if (!what) return failed(what.error());
  return from.detach ? run_detached(from, *what) : run_attached(from, *what);
}

} // namespace

void add_up(CLI::App& app, invocation& chosen) {
  auto* command = app.add_subcommand("up", "Start and supervise the nodes of this host");
  auto from = std::make_shared<options>();
  command->add_option("CONFIG", from->config, "The configuration of the cluster")->required();
  command->add_option("--state", from->state, "Folder for store, catalogue, logs, addresses, tokens")
      ->capture_default_str();
  command->add_flag("--detach", from->detach, "Return when all nodes are ready");
  command->footer(
      "A node that dies is started again. Ctrl-C, SIGTERM or `fastptm down` stops all of them; SIGHUP opens "
      "the logs anew (logrotate).\n"
      "Example:\n  fastptm up cluster-configs/one-host.capnp --state /tmp/demo --detach");
  command->callback([from, &chosen] { chosen = [from] { return run(*from); }; });
}

} // namespace fastptm::cli
