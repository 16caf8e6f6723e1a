// Where something listens: a host by name or number, and a port; as text, in parts, and resolved.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"

namespace fastptm::core {

struct network_address {
  std::string host; // a name, or a number without brackets
  uint16_t port = 0;
};

// "host:port", "127.0.0.1:7600" or "[::1]:7600"; invalid says what is missing.
result<network_address> parse_network_address(std::string_view text);

// As parse_network_address() takes it: brackets around what has colons.
std::string to_text(const network_address& address);

// A host as a configuration may write it: brackets around an IPv6 address are taken off.
std::string bare_host(std::string_view host);

// Whether that is a numeric IPv4 or IPv6 address, or could be a name: nothing is asked. At most 253 characters.
bool is_numeric_host(const std::string& host);
bool is_host(const std::string& host);

// "localhost" and the numeric addresses of the loopback interface.
bool is_loopback_host(const std::string& host);

// The numeric addresses of a host, IPv4 first; a numeric one is its own. unavailable names a name that has none.
// Blocks while a name server is asked: at start and in commands, never in an actor.
result<std::vector<std::string>> resolve(const std::string& host);

// The network interface of this machine that has this numeric address; empty: not this machine's.
std::string interface_of(const std::string& numeric_host);

// The first address of the host that this machine has, else unavailable; errors name the host.
result<std::string> resolve_own(const std::string& host);

// The same for a socket that may listen on every address (0.0.0.0, ::), and whether a socket can be bound there now:
// the error says so when the interface is down.
result<std::string> resolve_to_listen(const std::string& host);

// Where clients on the same machine reach a socket that listens on this numeric address: the loopback interface for
// one that listens on every address.
std::string reachable_host(const std::string& numeric_host);

} // namespace fastptm::core
