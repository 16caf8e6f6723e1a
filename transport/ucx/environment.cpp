// The measured settings and their reasons.
#include "transport/ucx/environment.hpp"

#include <algorithm>
#include <cstdlib>

namespace fastptm::transport::ucx {

std::vector<environment_entry> environment(const environment_options& options) {
  std::vector<environment_entry> entries = {
      {"UCX_TLS", options.allow_cma ? "tcp,cma" : "tcp",
       "tcp carries control and notices death, cma the bytes on one host; \"all\" would pick tcp for data too"},
      {"UCX_CMA_MEMORY_INVALIDATE", "y", "lets rendezvous with error handling use cma; we only ever pull"},
      {"UCX_TCP_TX_SEG_SIZE", "256K", "the default 8K is four times slower"},
      {"UCX_TCP_RX_SEG_SIZE", "256K", "the default 8K is four times slower"},
      {"UCX_KEEPALIVE_INTERVAL", "2s", "a backstop behind our own deadlines"},
      {"UCX_TCP_KEEPIDLE", "2s", "a backstop behind our own deadlines"},
      {"UCX_TCP_KEEPINTVL", "1s", "a backstop behind our own deadlines"},
      {"UCX_TCP_KEEPCNT", "3", "a backstop behind our own deadlines"},
      {"UCX_TCP_CM_SYN_CNT", "2", "an unreachable host fails in seconds, not minutes"},
      {"UCX_TCP_USER_TIMEOUT", "5s", "finds a broken network in mid-transfer; from 1.22 on", true},
      {"UCX_HANDLE_ERRORS", "none", "UCX must not install signal handlers", true},
      {"UCX_DEBUG_SIGNO", "0", "a hang-up must end the process", true},
      {"UCX_MEM_EVENTS", "n", "host memory needs no hooks of mmap", true},
      {"UCX_LOG_LEVEL", "fatal", "a peer that dies is our business and reported by us, with its name", true},
      {"UCX_WARN_UNUSED_ENV_VARS", "n", "older versions do not know every name above", true}};
  if (!options.net_devices.empty())
    entries.push_back({"UCX_NET_DEVICES", options.net_devices, "the default listens on every interface"});
  return entries;
}

bool names_fabric(std::string_view transports) {
  while (!transports.empty()) {
    const auto name = transports.substr(0, transports.find(','));
    transports.remove_prefix(std::min(name.size() + 1, transports.size()));
    if (!name.empty() && name != "tcp" && name != "cma") return true;
  }
  return false;
}

void apply_environment(const environment_options& options) {
  for (const auto& entry : environment(options))
    if (!entry.at_load) setenv(entry.name.c_str(), entry.value.c_str(), 0);
}

} // namespace fastptm::transport::ucx
