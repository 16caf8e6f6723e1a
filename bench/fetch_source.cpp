// Fork, serve, answer questions over two pipes.
#include "bench/fetch_source.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <string_view>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

#include "core/check.hpp"
#include "core/random.hpp"
#include "core/units.hpp"
#include "transport/exporter.hpp"
#include "transport/same_host/owner.hpp"
#include "transport/sealed_memory.hpp"
#include "transport/sockets/backend.hpp"

namespace fastptm::bench {

namespace {

constexpr uint64_t huge_page_bytes = 2 << 20;
constexpr const char* source_argument = "--serve-as-fetch-source";

// What a source tells when it is ready.
struct ready_message {
  uint64_t incarnation;
  uint64_t region;
  uint64_t generation;
  uint16_t port;
};

bool read_all(int file, void* data, size_t size) {
  auto* to = static_cast<char*>(data);
  while (size > 0) {
    const auto got = read(file, to, size);
    if (got <= 0) return false;
    to += got;
    size -= static_cast<size_t>(got);
  }
  return true;
}

std::string socket_name(uint64_t incarnation) {
  return fmt::format("@fastptm-bench-{:x}", incarnation);
}

core::duration_us own_cpu_us() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1'000'000 + used.ru_utime.tv_usec + used.ru_stime.tv_usec;
}

// Serves until the parent closes its pipe.
int serve(const fetch_source_options& what, int commands, int answers) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  transport::exporter exports;
  ready_message ready{core::true_random_u64(), 0, 0, 0};
  std::unique_ptr<warm_memory> anonymous;
  core::result<transport::sealed_memory> sealed = core::fail(core::errc::internal, "");
  std::unique_ptr<transport::same_host::owner> owner;
  std::unique_ptr<transport::sockets::backend> by_sockets;
  transport::exportable memory;
  if (what.mapped) {
    sealed = transport::sealed_memory::create("fastptm-bench", what.bytes);
    if (!sealed) return 1;
    memory = sealed->to_export();
    auto made = transport::same_host::owner::create(
        {socket_name(ready.incarnation), ready.incarnation, what.secret, 250'000}, exports);
    if (!made) return 1;
    owner = std::move(*made);
  } else {
    anonymous = std::make_unique<warm_memory>(what.bytes);
    memory.memory = anonymous->region();
    transport::sockets::backend_options serving;
    serving.node = what.node;
    serving.incarnation = ready.incarnation;
    serving.secret = what.secret;
    auto made = transport::sockets::backend::create(serving, exports);
    if (!made) return 1;
    by_sockets = std::move(*made);
    ready.port = by_sockets->port();
  }
  fill_with_pattern(memory.memory, what.seed);
  const auto name = exports.add(memory);
  ready.region = name.region;
  ready.generation = name.generation;
  if (write(answers, &ready, sizeof ready) != sizeof ready) return 1;
  for (char command = 0; read(commands, &command, 1) == 1;) {
    const auto used_us = own_cpu_us();
    if (write(answers, &used_us, sizeof used_us) != sizeof used_us) return 1;
  }
  return 0;
}

} // namespace

warm_memory::warm_memory(uint64_t size_bytes)
    : mapped_bytes_(core::round_up(size_bytes, huge_page_bytes) + huge_page_bytes) {
  mapped_ = mmap(nullptr, mapped_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  core::check(mapped_ != MAP_FAILED, "there is memory to measure with");
  const auto aligned = core::round_up(reinterpret_cast<uintptr_t>(mapped_), huge_page_bytes);
  region_ = {reinterpret_cast<std::byte*>(aligned), size_bytes};
  madvise(region_.address, core::round_up(size_bytes, huge_page_bytes), MADV_HUGEPAGE);
  std::memset(region_.address, 0, size_bytes);
}

warm_memory::~warm_memory() {
  munmap(mapped_, mapped_bytes_);
}

void fill_with_pattern(core::memory_region memory, uint64_t seed) {
  core::prng random(seed);
  for (uint64_t i = 0; i + sizeof(uint64_t) <= memory.size_bytes; i += sizeof(uint64_t)) {
    const auto value = random.next();
    std::memcpy(memory.address + i, &value, sizeof value);
  }
}

core::result<std::unique_ptr<fetch_source>> fetch_source::fork(const fetch_source_options& what) {
  return start(what, [&what](int commands, int answers) { return serve(what, commands, answers); });
}

core::result<std::unique_ptr<fetch_source>> fetch_source::execute(const fetch_source_options& what) {
  std::vector<std::string> words = {"fetch-source",
                                    source_argument,
                                    what.node,
                                    std::to_string(what.bytes),
                                    std::to_string(what.seed),
                                    what.mapped ? "map" : "sockets",
                                    what.secret,
                                    "",
                                    ""};
  return start(what, [&words](int commands, int answers) {
    words[7] = std::to_string(commands);
    words[8] = std::to_string(answers);
    std::vector<char*> arguments;
    arguments.reserve(words.size() + 1);
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    execv("/proc/self/exe", arguments.data());
    return 127;
  });
}

std::optional<int> fetch_source::serve_if_asked(int argc, char** argv) {
  if (argc != 9 || argv[1] != std::string_view(source_argument)) return std::nullopt;
  const fetch_source_options what{argv[2], std::stoull(argv[3]), std::stoull(argv[4]),
                                  std::string_view(argv[5]) == "map", argv[6]};
  return serve(what, std::stoi(argv[7]), std::stoi(argv[8]));
}

core::result<std::unique_ptr<fetch_source>> fetch_source::start(const fetch_source_options& what,
                                                                const child_body& child) {
  int commands[2], answers[2];
  if (pipe2(commands, O_CLOEXEC) != 0 || pipe2(answers, O_CLOEXEC) != 0)
    return core::fail(core::from_errno(errno, "pipes to a source"));
  std::unique_ptr<fetch_source> made(new fetch_source());
  made->pid_ = ::fork();
  if (made->pid_ < 0) return core::fail(core::from_errno(errno, "forking a source"));
  if (made->pid_ == 0) {
    close(commands[1]);
    close(answers[0]);
    fcntl(commands[0], F_SETFD, 0);
    fcntl(answers[1], F_SETFD, 0);
    _exit(child(commands[0], answers[1]));
  }
  close(commands[0]);
  close(answers[1]);
  made->commands_ = commands[1];
  made->answers_ = answers[0];
  ready_message ready{};
  if (!read_all(made->answers_, &ready, sizeof ready))
    return core::fail(core::errc::unavailable, fmt::format("source {} did not start", what.node));
  made->region_ = {ready.region, ready.generation};
  made->address_ = {what.node, ready.incarnation, transport::this_boot_id(), "", "", 0};
  if (what.mapped)
    made->address_.same_host_socket = socket_name(ready.incarnation);
  else {
    made->address_.data_host = "127.0.0.1";
    made->address_.data_port = ready.port;
  }
  return made;
}

fetch_source::~fetch_source() {
  if (commands_ >= 0) close(commands_);
  if (answers_ >= 0) close(answers_);
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

core::duration_us fetch_source::cpu_us() const {
  core::duration_us used_us = 0;
  if (write(commands_, "c", 1) != 1 || !read_all(answers_, &used_us, sizeof used_us)) return 0;
  return used_us;
}

} // namespace fastptm::bench
