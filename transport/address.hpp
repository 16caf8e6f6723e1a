// How a node is reached by those who fetch from it: what the directory hands out beside every holding.
#pragma once

#include <cstdint>
#include <string>

namespace fastptm::transport {

struct peer_address {
  std::string node;             // its name in the configuration
  uint64_t incarnation = 0;     // of the life this address belongs to: another life's answer is refused
  std::string boot_id;          // of its host: equal to ours = same kernel, memory can be mapped
  std::string same_host_socket; // path of its unix socket, empty = maps nothing
  std::string data_host;        // numeric address of its listener, empty = does not listen
  uint16_t data_port = 0;

  friend bool operator==(const peer_address&, const peer_address&) = default;
};

// The id of this boot of this machine's kernel and of this process's network namespace; empty when it cannot be read
// (then nothing counts as the same host).
std::string this_boot_id();

} // namespace fastptm::transport
