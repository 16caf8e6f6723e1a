// A process of this host that asks a node for its memory, and does not keep to the protocol.
#include "transport/same_host/owner.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>

#include <sys/socket.h>
#include <unistd.h>

#include "core/check.hpp"
#include "tests/fuzz/bytes.hpp"
#include "transport/sealed_memory.hpp"

namespace fastptm::transport::same_host {
namespace {

constexpr const char* the_secret = "a secret of the cluster";
constexpr uint64_t incarnation = 17;

// One owner for all inputs: it keeps nothing from one conversation to the next.
struct asked_node {
  asked_node() {
    owner_options options;
    options.address = "@fastptm-fuzz-" + std::to_string(getpid());
    options.incarnation = incarnation;
    options.secret = the_secret;
    address = options.address;
    name = exports.add(memory.to_export());
    owning = std::move(*owner::create(options, exports));
  }

  sealed_memory memory = std::move(*sealed_memory::create("fuzz", 4096));
  exporter exports;
  exported name;
  std::string address;
  std::unique_ptr<owner> owning;
};

// With up to three open files beside it, which nobody asked for.
void send(const core::descriptor& to, const std::string& message, uint8_t files) {
  iovec part{const_cast<char*>(message.data()), message.size()};
  msghdr out{};
  out.msg_iov = &part;
  out.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(3 * sizeof(int))]{};
  if (const auto count = files % 4u; count > 0) {
    out.msg_control = control;
    out.msg_controllen = CMSG_SPACE(count * sizeof(int));
    auto* header = CMSG_FIRSTHDR(&out);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    const int sent[3] = {to.get(), to.get(), to.get()};
    std::memcpy(CMSG_DATA(header), sent, count * sizeof(int));
  }
  (void)sendmsg(to.get(), &out, MSG_NOSIGNAL);
}

std::string receive(const core::descriptor& from, bool& got_file) {
  std::string message(256, '\0');
  iovec part{message.data(), message.size()};
  msghdr in{};
  in.msg_iov = &part;
  in.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
  in.msg_control = control;
  in.msg_controllen = sizeof control;
  const auto size = recvmsg(from.get(), &in, MSG_CMSG_CLOEXEC);
  if (const auto* header = size > 0 ? CMSG_FIRSTHDR(&in) : nullptr; header && header->cmsg_type == SCM_RIGHTS) {
    int file = -1;
    std::memcpy(&file, CMSG_DATA(header), sizeof file);
    ::close(file);
    got_file = true;
  }
  message.resize(size > 0 ? static_cast<size_t>(size) : 0);
  return message;
}

size_t open_files() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

void converse(asked_node& with, fuzz::bytes input) {
  const auto to = connect_to(with.address, 1'000'000);
  core::check(to.has_value(), "the owner still accepts");
  set_timeout(*to, 5'000'000);
  const bool knows_secret = input.byte() & 1;
  hello greeting;
  greeting.incarnation = incarnation;
  bool got_file = false;
  const auto first = fuzz::bent(greeting, input);
  send(*to, first, input.byte());
  challenge asked;
  if (const auto reply = receive(*to, got_file); reply.size() == sizeof asked)
    std::memcpy(&asked, reply.data(), sizeof asked);
  question answer{{}, with.name};
  if (knows_secret)
    answer.proven = cluster_secret(the_secret).prove("map asker", greeting.asker, asked.owner, incarnation);
  const auto second = fuzz::bent(answer, input);
  send(*to, second, input.byte());
  shutdown(to->get(), SHUT_WR);
  (void)receive(*to, got_file);
  core::check(knows_secret || !got_file, "nobody gets memory without the secret");
  char more;
  const auto left = recv(to->get(), &more, 1, 0);
  core::check(left == 0 || (left < 0 && errno == ECONNRESET), "a conversation ends"); // reset: with words unread
}

} // namespace
} // namespace fastptm::transport::same_host

// libFuzzer looks at its clock by SIGALRM, which ends every wait on a socket that has a timeout. These waits have their
// own end.
static bool without_alarms() {
  sigset_t alarms;
  sigemptyset(&alarms);
  sigaddset(&alarms, SIGALRM);
  return pthread_sigmask(SIG_BLOCK, &alarms, nullptr) == 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fastptm::transport::same_host;
  static const bool quiet = without_alarms(); // before the node's thread, which is as deaf then
  fastptm::core::check(quiet, "signals can be blocked");
  static auto* const node = new asked_node; // its thread lives as long as the process
  const auto before = open_files();
  converse(*node, {data, size});
  fastptm::core::check(open_files() <= before, "no file that a peer sends stays open");
  return 0;
}
