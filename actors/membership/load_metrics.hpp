// What loads have moved and checked, for dashboards: counted from their reports.
#pragma once

#include <map>
#include <string>

#include "core/metrics.hpp"
#include "protocol/reports/status.hpp"

namespace fastptm::actors {

class load_metrics {
public:
  explicit load_metrics(core::metrics_registry& registry);

  // Once for each load, when it has ended.
  void count(const protocol::load_report& report);
  // What devices have counted since their nodes started; a node that started again counts from zero.
  void count(const protocol::device_status& device);

private:
  struct damage {
    uint64_t found = 0;
    uint64_t repaired = 0;
  };
  std::map<std::string, core::counter*, std::less<>> bytes_; // by kind of source
  core::counter* verified_;
  core::counter* bad_;
  core::counter* refetched_;
  core::histogram* fetching_;
  core::histogram* verifying_;
  core::histogram* reading_;
  core::counter* damaged_;
  core::counter* repaired_;
  std::map<std::string, damage> damage_; // by device, as counted
};

} // namespace fastptm::actors
