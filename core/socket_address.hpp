// Numeric addresses as the system's calls take them.
#pragma once

#include <cstdint>
#include <string>

#include <sys/socket.h>

#include "core/error.hpp"

namespace fastptm::core {

// IPv4 or IPv6; invalid for everything else.
result<sockaddr_storage> parse_address(const std::string& numeric_host, uint16_t port);
socklen_t size_of(const sockaddr_storage& address);
uint16_t port_of(const sockaddr_storage& address);

} // namespace fastptm::core
