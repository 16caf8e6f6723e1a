// Replaces getifaddrs() of the C library for this program and the libraries that it loads.
#include "transport/ucx/only_address.hpp"

#include <cstring>
#include <string_view>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace {

thread_local sockaddr_storage only{}; // AF_UNSPEC: every address

bool is_only(const sockaddr* address) {
  if (address == nullptr || address->sa_family != only.ss_family) return false;
  if (address->sa_family == AF_INET)
    return reinterpret_cast<const sockaddr_in*>(address)->sin_addr.s_addr ==
           reinterpret_cast<const sockaddr_in&>(only).sin_addr.s_addr;
  return std::memcmp(&reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr,
                     &reinterpret_cast<const sockaddr_in6&>(only).sin6_addr, sizeof(in6_addr)) == 0;
}

// The list is one allocation of the library: entries stay where they are and lose their address.
void hide_others(ifaddrs* all) {
  std::string_view interface;
  for (const auto* each = all; each != nullptr; each = each->ifa_next)
    if (is_only(each->ifa_addr)) interface = each->ifa_name;
  for (auto* each = all; each != nullptr; each = each->ifa_next) {
    const bool has_address =
        each->ifa_addr != nullptr && (each->ifa_addr->sa_family == AF_INET || each->ifa_addr->sa_family == AF_INET6);
    if (has_address && each->ifa_name == interface && !is_only(each->ifa_addr)) each->ifa_addr->sa_family = AF_UNSPEC;
  }
}

} // namespace

extern "C" int getifaddrs(ifaddrs** all) noexcept {
  using original = int (*)(ifaddrs**);
  static const auto list = reinterpret_cast<original>(::dlsym(RTLD_NEXT, "getifaddrs"));
  if (list == nullptr) return -1;
  const int outcome = list(all);
  if (outcome == 0 && only.ss_family != AF_UNSPEC) hide_others(*all);
  return outcome;
}

namespace fastptm::transport::ucx {

only_address::only_address(const std::string& numeric_host) {
  if (inet_pton(AF_INET, numeric_host.c_str(), &reinterpret_cast<sockaddr_in&>(only).sin_addr) == 1)
    only.ss_family = AF_INET;
  else if (inet_pton(AF_INET6, numeric_host.c_str(), &reinterpret_cast<sockaddr_in6&>(only).sin6_addr) == 1)
    only.ss_family = AF_INET6;
}

only_address::~only_address() {
  only = {};
}

} // namespace fastptm::transport::ucx
