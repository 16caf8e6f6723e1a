// The demo: publishes twelve models, sends a stream of sentences, kills a source in the middle, counts.
//
// fastptm_demo --fastptm BINARY --models DIR --sentences FILE --work DIR --config FILE --reload-config FILE
// Every folder in DIR is a model; they are dealt to the four tenants in turn. tools/demo prepares all of it.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <thread>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "tools/demo_run/accounts.hpp"
#include "tools/demo_run/ambush.hpp"
#include "tools/demo_run/clients.hpp"

extern char** environ;

namespace fastptm::demo {
namespace {

struct demo_options {
  std::string binary, models, sentences, work, config, reload_config;
  double seconds = 30;
  double requests_per_s = 60;
  uint64_t seed = 1;
};

constexpr uint32_t clients_per_tenant = 2;
constexpr std::array<const char*, 4> tenants{"acme", "globex", "initech", "umbrella"};

core::result<void> run_command(std::vector<std::string> words) {
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t child = 0;
  if (const int failure = posix_spawn(&child, arguments[0], nullptr, nullptr, arguments.data(), environ); failure != 0)
    return core::fail(core::from_errno(failure, words[0]));
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return core::fail(core::errc::unavailable, words[0] + " " + words[1] + " failed");
}

// Stops the cluster whatever happens.
class running_cluster {
public:
  static core::result<running_cluster> start(const demo_options& options, const std::string& config,
                                             const std::string& state) {
    if (auto up = run_command({options.binary, "up", config, "--state", state, "--detach"}); !up)
      return core::fail(up.error());
    return running_cluster(options.binary, state);
  }
  running_cluster(running_cluster&& other) noexcept : binary_(other.binary_), state_(std::exchange(other.state_, {})) {}
  running_cluster& operator=(running_cluster&&) = delete;
  ~running_cluster() {
    if (!state_.empty()) static_cast<void>(run_command({binary_, "down", "--state", state_}));
  }

private:
  running_cluster(std::string binary, std::string state) : binary_(std::move(binary)), state_(std::move(state)) {}

  std::string binary_, state_;
};

// One line that is rewritten on a terminal, and a plain line every few seconds elsewhere.
class progress_line {
public:
  progress_line(std::string what, uint64_t of)
      : what_(std::move(what)), of_(of), terminal_(isatty(STDOUT_FILENO) == 1) {
    thread_ = std::thread([this] { show(); });
  }
  ~progress_line() {
    done_ = true;
    thread_.join();
    if (terminal_) fmt::print("\r\033[K");
  }
  std::atomic<uint64_t>& count() { return count_; }

private:
  void show() {
    for (int tick = 1; !done_; ++tick) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      if (terminal_)
        fmt::print("\r\033[K  {} {}/{}", what_, count_.load(), of_);
      else if (tick % 100 == 0)
        fmt::print("  {} {}/{}\n", what_, count_.load(), of_);
      std::fflush(stdout);
    }
  }

  const std::string what_;
  const uint64_t of_;
  const bool terminal_;
  std::atomic<uint64_t> count_{0};
  std::atomic<bool> done_{false};
  std::thread thread_;
};

core::result<target> publish_all(const demo_options& options, const std::string& state) {
  target where;
  where.state_folder = state;
  where.tenants.assign(tenants.begin(), tenants.end());
  where.sentences = read_sentences(options.sentences, 24);
  if (where.sentences.size() < 8) return core::fail(core::errc::invalid, options.sentences + ": too few sentences");
  std::vector<std::filesystem::path> folders;
  for (const auto& entry : std::filesystem::directory_iterator(options.models)) folders.push_back(entry.path());
  std::sort(folders.begin(), folders.end());
  for (size_t i = 0; i < folders.size(); ++i) {
    const std::string tenant = tenants[i % tenants.size()], name = folders[i].filename();
    if (auto done =
            run_command({options.binary, "publish", folders[i], "--model", name, "--as", tenant, "--state", state});
        !done)
      return core::fail(done.error());
    where.models.push_back({tenant, tenant + "/" + name + "@1"});
  }
  return where;
}

struct run_report {
  outcome answers;
  load_accounts loads;
};

core::result<run_report> serve(const target& where, const std::vector<planned_request>& trace,
                               const reference_answers& expected, const std::string& what) {
  uint64_t before = 0;
  if (auto so_far = add_up_loads(where.state_folder, 0, before); !so_far) return core::fail(so_far.error());
  run_report report;
  {
    progress_line line(what, trace.size());
    auto answers = play(where, trace, expected, clients_per_tenant, line.count());
    if (!answers) return core::fail(answers.error());
    report.answers = std::move(*answers);
  }
  uint64_t after = 0;
  auto loads = add_up_loads(where.state_folder, before, after);
  if (!loads) return core::fail(loads.error());
  report.loads = std::move(*loads);
  return report;
}

double mebibytes(uint64_t bytes) {
  return static_cast<double>(bytes) / (1 << 20);
}
double milliseconds(core::duration_us us) {
  return static_cast<double>(us) * 1e-3;
}

void print_run(const char* title, const run_report& run) {
  const auto& a = run.answers;
  fmt::print("\n{}\n", title);
  fmt::print("  requests       {} on time, {} late, {} failed; wrong answers: {} (worst relative L2 distance {:.1e})\n",
             a.on_time, a.late, a.failed, a.wrong, a.worst_distance);
  for (const auto& [status, count] : a.failures) fmt::print("                 failed as {}: {}\n", status, count);
  fmt::print("  latency        median {:.1f} ms, p99 {:.1f} ms; last answer after {:.1f} s\n",
             milliseconds(a.latency_quantile_us(0.5)), milliseconds(a.latency_quantile_us(0.99)),
             milliseconds(a.wall_us) * 1e-3);
  fmt::print("  loads          {} ({} failed), {:.0f} MiB moved, {} chunks verified, {} bad\n", run.loads.loads,
             run.loads.failed, mebibytes(run.loads.bytes_moved), run.loads.verified_chunks, run.loads.bad_chunks);
  for (const auto& [source, bytes] : run.loads.bytes_by_source)
    fmt::print("    {:<28} {:>8.0f} MiB\n", source, mebibytes(bytes));
  fmt::print("    {:<28} {:>8.0f} MiB\n", "saved: already on the device", mebibytes(run.loads.bytes_shared));
  if (run.loads.median_copy_ratio > 0)
    fmt::print(
        "  switch time    median {:.2f} x a bare copy of the same bytes (under load, executions share the cores)\n",
        run.loads.median_copy_ratio);
}

void print_ambush(const ambush_report& found) {
  fmt::print("  killed         {} (kill -9) while {} read {} from it: the load ended {:.1f} ms later from {}\n",
             found.victim, found.device, found.model, milliseconds(found.recovered_us), found.finished_from);
  if (found.back_us)
    fmt::print("                 {} was ready again after {:.1f} s\n", found.victim,
               milliseconds(*found.back_us) * 1e-3);
  if (found.attempts > 1)
    fmt::print("                 ({} kills until one hit a load that was still running)\n", found.attempts);
}

core::result<bool> run_demo(const demo_options& options) {
  const auto state = options.work + "/state";
  auto cluster = running_cluster::start(options, options.config, state);
  if (!cluster) return core::fail(cluster.error());
  fmt::print("publishing\n");
  std::fflush(stdout);
  const auto where = publish_all(options, state);
  if (!where) return core::fail(where.error());
  fmt::print("asking every model every sentence alone, {} answers to compare with\n",
             where->models.size() * where->sentences.size());
  std::fflush(stdout);
  const auto expected = ask_alone(*where);
  if (!expected) return core::fail(expected.error());
  const auto trace =
      draw_trace({options.seed, static_cast<uint32_t>(where->models.size()),
                  static_cast<uint32_t>(where->sentences.size()), options.requests_per_s, options.seconds});
  fmt::print("the stream: {} requests in {:.0f} s to {} models, {} clients, deadlines 0.5 to 2 s (seed {})\n",
             trace.size(), options.seconds, where->models.size(), tenants.size() * clients_per_tenant, options.seed);
  std::fflush(stdout);

  std::atomic<bool> stop{false};
  core::result<ambush_report> ambush;
  std::thread killer([&] {
    std::this_thread::sleep_for(std::chrono::duration<double>(options.seconds / 3));
    ambush = kill_a_source(state, stop);
  });
  const auto fast = serve(*where, trace, *expected, "answered");
  stop = true;
  killer.join();
  if (!fast) return core::fail(fast.error());
  print_run("FastPTM: weight switching, any holder is a source", *fast);
  if (ambush)
    print_ambush(*ambush);
  else
    fmt::print("  killed         nobody: {}\n", ambush.error().message);
  std::fflush(stdout);

  { const auto stopped = std::move(*cluster); }
  auto reloading = running_cluster::start(options, options.reload_config, state);
  if (!reloading) return core::fail(reloading.error());
  const auto slow = serve(*where, trace, *expected, "answered by full reload + FCFS");
  if (!slow) return core::fail(slow.error());
  print_run("The same stream by full reload + FCFS at equal memory (every load reads the whole model from disk)",
            *slow);

  const auto& a = fast->answers;
  const auto& b = slow->answers;
  fmt::print("\nsummary: {} of {} on time against {}, p99 {:.0f} ms against {:.0f} ms, {} loads against {}, wrong "
             "answers {} and {}\n",
             a.on_time, a.total(), b.on_time, milliseconds(a.latency_quantile_us(0.99)),
             milliseconds(b.latency_quantile_us(0.99)), fast->loads.loads, slow->loads.loads, a.wrong, b.wrong);
  return ambush.has_value() && a.wrong == 0 && b.wrong == 0 && a.total() == trace.size();
}

} // namespace
} // namespace fastptm::demo

int main(int argc, char** argv) {
  fastptm::demo::demo_options options;
  CLI::App app("The demo's main job; see tools/demo.");
  app.add_option("--fastptm", options.binary)->required();
  app.add_option("--models", options.models)->required();
  app.add_option("--sentences", options.sentences)->required();
  app.add_option("--work", options.work)->required();
  app.add_option("--config", options.config)->required()->take_last();
  app.add_option("--reload-config", options.reload_config)->required();
  app.add_option("--seconds", options.seconds);
  app.add_option("--rate", options.requests_per_s);
  app.add_option("--seed", options.seed);
  CLI11_PARSE(app, argc, argv);
  const auto good = fastptm::demo::run_demo(options);
  if (!good) {
    fmt::print(stderr, "demo: {}\n", good.error().message);
    return 1;
  }
  return *good ? 0 : 1;
}
