// What became of those who connected to the data port.
#pragma once

#include "core/metrics.hpp"

namespace fastptm::transport::sockets {

struct connection_metrics {
  explicit connection_metrics(core::metrics_registry& registry)
      : admitted(make(registry, "admitted")), refused(make(registry, "refused")), silent(make(registry, "silent")),
        crowded(make(registry, "crowded")) {}

  core::counter& admitted; // proved the secret
  core::counter& refused;  // did not, or spoke something else
  core::counter& silent;   // said too little for too long
  core::counter& crowded;  // were the oldest of too many strangers

private:
  static core::counter& make(core::metrics_registry& registry, std::string_view result) {
    return registry.make_counter("fastptm_data_connections_total",
                                 "Connections to the data port by what became of them",
                                 "result=\"" + std::string(result) + "\"");
  }
};

} // namespace fastptm::transport::sockets
