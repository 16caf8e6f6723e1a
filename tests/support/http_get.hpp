// What a loopback port answers to a plain GET.
#pragma once

#include <string>

namespace fastptm::tests {

// Head and body of the answer. `address` is host:port; only the port counts.
std::string http_get(const std::string& address, const std::string& path);

} // namespace fastptm::tests
