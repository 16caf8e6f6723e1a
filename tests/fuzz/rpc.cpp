// Bytes on the ports of clients: the gateway's, the administration's and HTTP's. Whatever comes, a conversation ends.
#include <cerrno>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/check.hpp"
#include "core/network_address.hpp"
#include "engine/tokenizer/card.hpp"
#include "tests/fuzz/bytes.hpp"
#include "tests/rpc/fake_cluster.hpp"
#include "weights/format/usage.hpp"

namespace fastptm::rpc {
namespace {

// A whole front end on sockets, before doubles of the actors; one for all inputs.
struct served_cluster {
  served_cluster() {
    engine::tokenizer_texts texts;
    texts.vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\n##a\n##b\n##c\n";
    static const fuzz::memory_file card(weights::join_card({}, *engine::pack_texts(texts)));
    cluster.told().card_file = card.path();
  }
  // In the order of an input's first byte.
  std::string address(uint8_t which) const {
    const auto& all = cluster.addresses();
    return which % 3 == 0 ? all.gateway : which % 3 == 1 ? all.admin : all.http;
  }

  fake_cluster cluster;
};

class connection {
public:
  explicit connection(const std::string& address) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
    int outcome = 0;
    do outcome = ::connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to);
    while (outcome != 0 && errno == EINTR); // libFuzzer's clock
    core::check(outcome == 0, "the port still accepts");
    const timeval patience{20, 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  }
  ~connection() { ::close(socket_); }
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;

  void say(std::string_view all) {
    while (!all.empty()) {
      const auto sent = ::send(socket_, all.data(), all.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue; // libFuzzer's clock
      if (sent <= 0) return;                    // hung up on
      all.remove_prefix(static_cast<size_t>(sent));
    }
    ::shutdown(socket_, SHUT_WR);
  }

  bool ends() {
    char reply[4096];
    ssize_t got = 0;
    do got = ::recv(socket_, reply, sizeof reply, 0);
    while (got > 0 || (got < 0 && errno == EINTR)); // libFuzzer's clock
    return got == 0 || errno == ECONNRESET;
  }

private:
  const int socket_;
};

} // namespace
} // namespace fastptm::rpc

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fastptm;
  static auto* const served = new rpc::served_cluster; // its threads live as long as the process
  fuzz::bytes input(data, size);
  rpc::connection stranger(served->address(input.byte()));
  stranger.say(input.rest());
  core::check(stranger.ends(), "a conversation ends when its client has said all");
  return 0;
}
