// Text of addresses, the system's resolver, and the interfaces of this machine.
#include "core/network_address.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/log.hpp"

namespace fastptm::core {

namespace {

constexpr size_t longest_name = 253; // of the domain name system

bool is_ipv4(const std::string& host) {
  in_addr parsed{};
  return inet_pton(AF_INET, host.c_str(), &parsed) == 1;
}

bool is_ipv6(const std::string& host) {
  in6_addr parsed{};
  return inet_pton(AF_INET6, host.c_str(), &parsed) == 1;
}

// Empty for another family than IPv4 and IPv6.
std::string numeric_text(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address == nullptr) return {};
  if (address->sa_family == AF_INET)
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, text, sizeof text);
  else if (address->sa_family == AF_INET6)
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, text, sizeof text);
  return text;
}

// One spelling of every number: "0:0::1" is "::1".
std::string normal(const std::string& numeric_host) {
  in6_addr parsed{};
  char text[INET6_ADDRSTRLEN] = {};
  if (inet_pton(AF_INET6, numeric_host.c_str(), &parsed) != 1) return numeric_host;
  return inet_ntop(AF_INET6, &parsed, text, sizeof text);
}

std::string shown(std::string_view text) {
  return printable(text, 100);
}

} // namespace

// -- text -------------------------------------------------------------------------------------------------------------

result<network_address> parse_network_address(std::string_view text) {
  const auto colon = text.rfind(':');
  const bool bracketed = text.starts_with('[');
  const auto host_end = bracketed ? text.find(']') : colon;
  if (host_end == text.npos || (bracketed && colon != host_end + 1))
    return fail(errc::invalid, fmt::format("'{}' has no port: write HOST:PORT", shown(text)));
  network_address out{bare_host(text.substr(0, colon)), 0};
  if (!bracketed && out.host.find(':') != std::string::npos)
    return fail(errc::invalid, fmt::format("'{}': write [ADDRESS]:PORT for an IPv6 address", shown(text)));
  if (!is_host(out.host)) return fail(errc::invalid, fmt::format("'{}' has no host: write HOST:PORT", shown(text)));
  const auto* end = text.data() + text.size();
  const auto [stop, trouble] = std::from_chars(text.data() + colon + 1, end, out.port);
  if (trouble != std::errc() || stop != end || out.port == 0)
    return fail(errc::invalid, fmt::format("'{}': the port must be a number from 1 to 65535", shown(text)));
  return out;
}

std::string to_text(const network_address& address) {
  const bool has_colons = address.host.find(':') != std::string::npos;
  return has_colons ? fmt::format("[{}]:{}", address.host, address.port)
                    : fmt::format("{}:{}", address.host, address.port);
}

std::string bare_host(std::string_view host) {
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  return std::string(bracketed ? host.substr(1, host.size() - 2) : host);
}

bool is_numeric_host(const std::string& host) {
  return is_ipv4(host) || is_ipv6(host);
}

bool is_host(const std::string& host) {
  if (is_numeric_host(host)) return true;
  const bool looks_numeric = host.find_first_not_of("0123456789.") == std::string::npos; // a mistyped number is no name
  return !host.empty() && host.size() <= longest_name && !looks_numeric && host.front() != '-' &&
         host.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") ==
             std::string::npos;
}

bool is_loopback_host(const std::string& host) {
  return host == "localhost" || (is_ipv4(host) && host.starts_with("127.")) || normal(host) == "::1";
}

// -- the system -------------------------------------------------------------------------------------------------------

result<std::vector<std::string>> resolve(const std::string& host) {
  if (is_numeric_host(host)) return std::vector<std::string>{normal(host)};
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  if (const int failure = getaddrinfo(host.c_str(), nullptr, &hints, &found); failure != 0) {
    return fail(errc::unavailable, fmt::format("the host name '{}' does not resolve: {}: write a numeric address, or "
                                               "put the name into /etc/hosts",
                                               shown(host), gai_strerror(failure)));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, freeaddrinfo);
  std::vector<std::string> out;
  for (const auto* each = found; each != nullptr; each = each->ai_next) {
    const auto text = numeric_text(each->ai_addr);
    if (!text.empty() && std::find(out.begin(), out.end(), text) == out.end()) out.push_back(text);
  }
  std::stable_partition(out.begin(), out.end(), is_ipv4);
  return out;
}

std::string interface_of(const std::string& numeric_host) {
  if (is_loopback_host(numeric_host)) return "lo";
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(all, freeifaddrs);
  const auto wanted = normal(numeric_host);
  for (const auto* each = all; each != nullptr; each = each->ifa_next)
    if (numeric_text(each->ifa_addr) == wanted) return each->ifa_name;
  return {};
}

result<std::string> resolve_own(const std::string& host) {
  const auto all = resolve(host);
  if (!all) return fail(all.error());
  for (const auto& each : *all)
    if (!interface_of(each).empty()) return each;
  return fail(errc::unavailable,
              fmt::format("'{}' is no address of this machine: `ip address` lists them", shown(host)));
}

namespace {

bool is_every_address(const std::string& numeric_host) {
  return numeric_host == "0.0.0.0" || normal(numeric_host) == "::";
}

// Binding to the loopback address of a network namespace that was only just made succeeds, and nobody can connect.
bool is_up(const std::string& interface) {
  ifreq asked{};
  interface.copy(asked.ifr_name, sizeof asked.ifr_name - 1);
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const bool told = socket >= 0 && ::ioctl(socket, SIOCGIFFLAGS, &asked) == 0;
  if (socket >= 0) ::close(socket);
  return !told || (asked.ifr_flags & IFF_UP) != 0;
}

// 0 or an errno.
int try_to_bind(const std::string& numeric_host) {
  sockaddr_storage address{};
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address);
  const bool is_v4 = inet_pton(AF_INET, numeric_host.c_str(), &v4->sin_addr) == 1;
  if (!is_v4) inet_pton(AF_INET6, numeric_host.c_str(), &v6->sin6_addr);
  address.ss_family = is_v4 ? AF_INET : AF_INET6;
  const int socket = ::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return errno;
  const socklen_t size = is_v4 ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  const int failure = ::bind(socket, reinterpret_cast<const sockaddr*>(&address), size) == 0 ? 0 : errno;
  ::close(socket);
  return failure;
}

} // namespace

result<std::string> resolve_to_listen(const std::string& host) {
  if (is_every_address(host)) return host;
  auto found = resolve_own(host);
  if (!found) return found;
  const auto interface = interface_of(*found);
  const int failure = is_up(interface) ? try_to_bind(*found) : ENETDOWN;
  if (failure == 0) return found;
  const auto why = from_errno(failure, fmt::format("cannot listen on {}", *found));
  if (failure != ENETDOWN && failure != EADDRNOTAVAIL) return fail(why);
  return fail(errc::unavailable,
              fmt::format("{}: the interface {} is down: `ip link set {} up`", why.message, interface, interface));
}

std::string reachable_host(const std::string& numeric_host) {
  if (numeric_host == "0.0.0.0") return "127.0.0.1";
  return normal(numeric_host) == "::" ? "::1" : numeric_host;
}

} // namespace fastptm::core
