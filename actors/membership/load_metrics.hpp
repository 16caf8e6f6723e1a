// What loads have moved and checked, for dashboards: counted from their reports.
#pragma once

#include <map>
#include <string>

#include "core/metrics.hpp"
#include "protocol/reports/loads.hpp"

namespace fastptm::actors {

class load_metrics {
public:
  explicit load_metrics(core::metrics_registry& registry);

  // Once for each load, when it has ended.
  void count(const protocol::load_report& report);

private:
  std::map<std::string, core::counter*, std::less<>> bytes_; // by kind of source
  core::counter* verified_;
  core::counter* bad_;
  core::counter* refetched_;
  core::histogram* fetching_;
  core::histogram* verifying_;
};

} // namespace fastptm::actors
