// Has UCX carry data on the address that it listens on, also where the interface has others.
#pragma once

#include <string>

namespace fastptm::transport::ucx {

// While it lives, an interface that has this numeric address has no other for whoever asks on this thread. UCX 1.13
// takes the first IPv4 address of an interface for the sockets that carry data, and IPv6 where there is none, but has
// peers connect to the address that they asked: with both on one interface nobody gets through to IPv6.
class only_address {
public:
  explicit only_address(const std::string& numeric_host);
  ~only_address();
  only_address(const only_address&) = delete;
  only_address& operator=(const only_address&) = delete;
};

} // namespace fastptm::transport::ucx
