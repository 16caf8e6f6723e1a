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
};

struct environment_options {
  bool allow_cma = true;   // false: TCP only ("tcp" paths in the configuration)
  std::string net_devices; // UCX_NET_DEVICES, e.g. "lo"; empty: every interface
};

// What to set where the operator has not set it already.
std::vector<environment_entry> environment(const environment_options& options);

// Applies it to this process with setenv, without overwriting. Only before UCX starts and before threads exist.
void apply_environment(const environment_options& options);

} // namespace fastptm::transport::ucx
