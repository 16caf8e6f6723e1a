// Runs the real `fastptm` as its users do: processes, files, exit codes. Whatever a test starts is gone when it ends.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "core/json.hpp"

namespace fastptm::integration {

using namespace std::chrono_literals;

// How a run ended.
struct ended {
  int code = -1; // exit code; negative: the signal it died of
  std::string out, err;

  // The last line of stdout as JSON; fails the test when it is none.
  core::json_value json() const;
  std::vector<core::json_value> json_lines() const;
};

// What a process is started with.
struct surroundings {
  std::vector<std::string> prefix;      // another program that executes the binary: prlimit, ip netns exec
  std::vector<int> refused_calls;       // system calls that fail with EPERM, as the filter of a container engine does
  std::vector<std::string> environment; // NAME=value; a NAME alone is taken away
};

// One running process of the binary. Output goes to files, so that children in the background cannot block it.
class running {
public:
  // `command` names a program by PATH or place.
  running(std::vector<std::string> command, const std::filesystem::path& scratch, const surroundings& around = {});
  ~running(); // SIGKILL if it still runs
  running(running&&) = delete;

  pid_t pid() const { return pid_; }
  void signal(int number) const;
  // Nothing: it still runs after that time.
  std::optional<ended> wait(std::chrono::milliseconds most);

private:
  pid_t pid_ = -1;
  std::filesystem::path out_, err_;
};

// A folder and a mark in the environment of everything that is started in it.
class workspace {
public:
  explicit workspace(surroundings around = {});
  ~workspace(); // kills what carries the mark, removes the folder

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path state() const { return path_ / "state"; }
  // A file of that text.
  std::filesystem::path file(const std::string& name, const std::string& text) const;

  ended run(std::vector<std::string> arguments, std::chrono::milliseconds most = 60s) const;
  std::unique_ptr<running> start(std::vector<std::string> arguments) const;
  // In other surroundings than the others.
  ended run_in(surroundings around, std::vector<std::string> arguments, std::chrono::milliseconds most = 60s) const;

  // Processes with the mark, this one not counted.
  std::vector<pid_t> survivors() const;
  // Whether none is left within that time.
  bool all_gone(std::chrono::milliseconds within) const;

private:
  std::unique_ptr<running> start_in(surroundings around, std::vector<std::string> arguments) const;

  const surroundings around_;
  std::filesystem::path path_;
  std::string mark_;
};

// A configuration with one head and `workers` workers of `arena_mib` each; `rest` goes into the Cluster, `head` into
// the head's node.
std::string config_text(unsigned workers, unsigned arena_mib = 8, const std::string& rest = "",
                        const std::string& head = "");

// A cluster in a workspace of its own, stopped whatever happens.
class cluster {
public:
  explicit cluster(const std::string& config, surroundings around = {});
  ~cluster();

  ended up();
  ended down();
  const workspace& where() const { return where_; }
  std::filesystem::path config_file() const { return config_; }

  // With --state.
  ended run(std::vector<std::string> arguments, std::chrono::milliseconds most = 60s) const;
  // With --state --as acme --json.
  ended ask(std::vector<std::string> arguments, std::chrono::milliseconds most = 60s) const;

  // Publishes a small model with seeded weights under that name; its full name.
  std::string publish(const std::string& name, uint64_t seed) const;
  // The embedding of some ids, after retries while the cluster recovers; empty when there is none.
  std::vector<double> embed(const std::string& model, const std::string& ids = "[[5,6,7]]") const;

  core::json_value status() const;
  int64_t pid_of(const std::string& node) const;
  std::string state_of(const std::string& node) const;
  // Polls until it holds.
  bool eventually(const std::function<bool()>& holds, std::chrono::milliseconds within = 20s) const;

private:
  workspace where_;
  std::filesystem::path config_;
};

std::string text_of(const core::json_value& in, std::string_view key);

} // namespace fastptm::integration
