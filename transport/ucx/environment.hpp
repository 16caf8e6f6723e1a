// The environment that UCX needs and reads at load: applied by the launcher before it executes a node.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"

namespace fastptm::transport::ucx {

struct environment_entry {
  std::string name;
  std::string value;
  std::string_view why;
  bool at_load = false; // read when the library is loaded, or not known to every version: for a launcher only
};

struct environment_options {
  bool allow_cma = true;   // false: TCP only ("tcp" paths in the configuration)
  std::string net_devices; // UCX_NET_DEVICES, e.g. "lo"; empty: every interface
};

// What to set where the operator has not set it already.
std::vector<environment_entry> environment(const environment_options& options);

// Whether a list for UCX_TLS names more than tcp and cma, which our own sockets serve.
bool names_fabric(std::string_view transports);

// For measurements and tests in one process: sets, without overwriting, what UCX reads when it starts. Only before UCX
// starts and before threads exist.
void apply_environment(const environment_options& options);

} // namespace fastptm::transport::ucx
