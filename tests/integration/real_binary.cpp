// Fork, exec, wait with a bound; JSON lines; clusters.
#include "tests/integration/real_binary.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/random.hpp"
#include "weights/import/synthetic.hpp"

namespace fastptm::integration {

namespace fs = std::filesystem;

namespace {

constexpr const char* mark_variable = "FASTPTM_TEST_MARK";

std::string read_text(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

int open_for_output(const fs::path& file) {
  return ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

// For this process and what it executes.
bool refuse(const std::vector<int>& calls) {
  std::vector<sock_filter> program{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  for (size_t i = 0; i < calls.size(); ++i) {
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(calls[i]),
                               static_cast<uint8_t>(calls.size() - i), 0));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM));
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

} // namespace

// -- one process ------------------------------------------------------------------------------------------------------

std::vector<core::json_value> ended::json_lines() const {
  std::vector<core::json_value> lines;
  std::istringstream text(out);
  for (std::string line; std::getline(text, line);) {
    auto parsed = core::parse_json(line, "stdout");
    EXPECT_TRUE(parsed) << line << "\nstderr: " << err;
    if (parsed) lines.push_back(std::move(*parsed));
  }
  return lines;
}

core::json_value ended::json() const {
  auto lines = json_lines();
  EXPECT_FALSE(lines.empty()) << "no output; exit code " << code << ", stderr: " << err;
  return lines.empty() ? core::json_value() : lines.back();
}

running::running(std::vector<std::string> command, const fs::path& scratch, const surroundings& around) {
  static std::atomic<int> count = 0; // tests may run the binary from several threads
  const auto name = std::to_string(++count);
  out_ = scratch / (name + ".out");
  err_ = scratch / (name + ".err");
  std::vector<char*> pointers;
  for (auto& text : command) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  const int out = open_for_output(out_), err = open_for_output(err_);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::dup2(::open("/dev/null", O_RDONLY), STDIN_FILENO);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(err, STDERR_FILENO);
    for (const auto& entry : around.environment) ::putenv(const_cast<char*>(entry.c_str()));
    if (!around.refused_calls.empty() && !refuse(around.refused_calls)) ::_exit(126);
    ::execvp(pointers[0], pointers.data());
    ::_exit(127);
  }
  ::close(out);
  ::close(err);
}

running::~running() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void running::signal(int number) const {
  ::kill(pid_, number);
}

std::optional<ended> running::wait(std::chrono::milliseconds most) {
  const int watched = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  pollfd end{watched, POLLIN, 0};
  const bool done = ::poll(&end, 1, static_cast<int>(most.count())) == 1;
  ::close(watched);
  if (!done) return std::nullopt;
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  ended result;
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  result.out = read_text(out_);
  result.err = read_text(err_);
  return result;
}

// -- workspace --------------------------------------------------------------------------------------------------------

workspace::workspace(surroundings around) : around_(std::move(around)), mark_(std::to_string(core::true_random_u64())) {
  auto pattern = (fs::temp_directory_path() / "fastptm-integration-XXXXXX").string();
  EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
  path_ = pattern;
}

workspace::~workspace() {
  for (const auto pid : survivors()) ::kill(pid, SIGKILL);
  all_gone(5s);
  std::error_code trouble;
  fs::remove_all(path_, trouble);
}

fs::path workspace::file(const std::string& name, const std::string& text) const {
  std::ofstream(path_ / name) << text;
  return path_ / name;
}

std::unique_ptr<running> workspace::start_in(surroundings around, std::vector<std::string> arguments) const {
  auto command = around.prefix;
  command.emplace_back(FASTPTM_BINARY);
  command.insert(command.end(), arguments.begin(), arguments.end());
  around.environment.push_back(std::string(mark_variable) + "=" + mark_);
  return std::make_unique<running>(std::move(command), path_, around);
}

std::unique_ptr<running> workspace::start(std::vector<std::string> arguments) const {
  return start_in(around_, std::move(arguments));
}

ended workspace::run(std::vector<std::string> arguments, std::chrono::milliseconds most) const {
  return run_in(around_, std::move(arguments), most);
}

ended workspace::run_in(surroundings around, std::vector<std::string> arguments, std::chrono::milliseconds most) const {
  auto process = start_in(std::move(around), arguments);
  auto result = process->wait(most);
  if (result) return *result;
  ADD_FAILURE() << arguments.at(0) << " did not end within " << most.count() << " ms";
  return {};
}

std::vector<pid_t> workspace::survivors() const {
  std::vector<pid_t> out;
  std::error_code trouble;
  const auto wanted = std::string(mark_variable) + "=" + mark_;
  for (const auto& entry : fs::directory_iterator("/proc", trouble)) {
    const auto name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != name.npos) continue;
    if (read_text(entry.path() / "environ").find(wanted) != std::string::npos) out.push_back(std::stoi(name));
  }
  return out;
}

bool workspace::all_gone(std::chrono::milliseconds within) const {
  const auto end = std::chrono::steady_clock::now() + within;
  while (!survivors().empty()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(20ms); // other processes tell nobody when they end
  }
  return true;
}

// -- cluster ----------------------------------------------------------------------------------------------------------

std::string config_text(unsigned workers, unsigned arena_mib, const std::string& rest, const std::string& head) {
  std::string nodes = "    (name = \"head\", roles = [head, store], hostCacheMib = 16" + head + "),\n";
  for (unsigned i = 0; i < workers; ++i) {
    nodes += "    (name = \"worker-" + std::to_string(i) +
             "\", roles = [worker], devices = [(arenaMib = " + std::to_string(arena_mib) + ")]),\n";
  }
  return "@0xb1b2c3d4e5f60718;\nusing Config = import \"/schemas/config.capnp\";\nconst cluster :Config.Cluster = (\n"
         "  nodes = [\n" +
         nodes + "  ],\n  tenants = [(name = \"acme\"), (name = \"globex\")],\n" + rest + ");\n";
}

cluster::cluster(const std::string& config, surroundings around)
    : where_(std::move(around)), config_(where_.file("cluster.capnp", config)) {}

cluster::~cluster() {
  down();
}

ended cluster::up() {
  return run({"up", config_.string(), "--detach"});
}
ended cluster::down() {
  return run({"down"});
}

ended cluster::run(std::vector<std::string> arguments, std::chrono::milliseconds most) const {
  arguments.insert(arguments.end(), {"--state", where_.state().string()});
  return where_.run(std::move(arguments), most);
}

ended cluster::ask(std::vector<std::string> arguments, std::chrono::milliseconds most) const {
  arguments.insert(arguments.end(), {"--as", "acme", "--json"});
  return run(std::move(arguments), most);
}

std::string cluster::publish(const std::string& name, uint64_t seed) const {
  const auto folder = where_.path() / ("model-" + name);
  EXPECT_TRUE(weights::write_synthetic_model(folder, *weights::synthetic_shape_named("tiny"), seed));
  const auto done = ask({"publish", folder.string(), "--model", name});
  EXPECT_EQ(done.code, 0) << done.err;
  return done.code == 0 ? text_of(done.json(), "model") : std::string();
}

std::vector<double> cluster::embed(const std::string& model, const std::string& ids) const {
  const auto file = where_.file("ids.json", ids);
  std::vector<double> out;
  eventually([&] {
    const auto done = ask({"embed", model, "--ids", file.string(), "--deadline", "10s"});
    if (done.code != 0) return false;
    const auto row = done.json();
    const auto* values = row.find("embedding");
    if (values == nullptr || values->array() == nullptr) return false;
    for (const auto& each : *values->array()) out.push_back(each.number().value_or(0));
    return true;
  });
  return out;
}

core::json_value cluster::status() const {
  const auto done = run({"status", "--json"});
  return done.code == 0 ? done.json() : core::json_value();
}

namespace {

const core::json_value* node_of(const core::json_value& status, const std::string& name) {
  const auto* nodes = status.find("nodes");
  if (nodes == nullptr || nodes->array() == nullptr) return nullptr;
  for (const auto& node : *nodes->array()) {
    if (text_of(node, "name") == name) return &node;
  }
  return nullptr;
}

} // namespace

int64_t cluster::pid_of(const std::string& node) const {
  const auto now = status();
  const auto* row = node_of(now, node);
  return row == nullptr ? 0 : row->find("pid")->integer().value_or(0);
}

std::string cluster::state_of(const std::string& node) const {
  const auto now = status();
  const auto* row = node_of(now, node);
  return row == nullptr ? "missing" : text_of(*row, "state");
}

bool cluster::eventually(const std::function<bool()>& holds, std::chrono::milliseconds within) const {
  const auto end = std::chrono::steady_clock::now() + within;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(50ms); // real processes: their state can only be asked for
  }
  return true;
}

std::string text_of(const core::json_value& in, std::string_view key) {
  const auto* member = in.find(key);
  return member != nullptr && member->string() != nullptr ? *member->string() : std::string();
}

} // namespace fastptm::integration
