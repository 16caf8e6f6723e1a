// Reads the reports of loads over the administration port.
#include "tools/demo_run/accounts.hpp"

#include <algorithm>
#include <cstring>

#include "cli/connection.hpp"
#include "core/clock.hpp"

namespace fastptm::demo {

namespace {

constexpr size_t copy_bytes = 64 << 20;

// Bytes per microsecond of one thread's memcpy between buffers far larger than a cache: the median of seven.
double measure_copy() {
  std::vector<char> source(copy_bytes, 1), target(copy_bytes, 2); // touched, so no page fault is timed
  std::vector<core::duration_us> times;
  for (int i = 0; i < 7; ++i) {
    const auto start = core::monotonic_now_us();
    std::memcpy(target.data(), source.data(), copy_bytes);
    times.push_back(std::max<core::duration_us>(1, core::monotonic_now_us() - start));
  }
  std::nth_element(times.begin(), times.begin() + 3, times.end());
  return static_cast<double>(copy_bytes) / static_cast<double>(times[3]);
}

} // namespace

core::result<load_accounts> add_up_loads(const std::string& state_folder, uint64_t after, uint64_t& last_load) {
  cli::cluster_options options;
  options.state = state_folder;
  auto admin = cli::connect_admin(options);
  if (!admin) return core::fail(admin.error());
  const auto reports = (*admin)->loads(100'000);
  if (!reports) return core::fail(reports.error());
  const double bytes_per_us = measure_copy();
  load_accounts sum;
  std::vector<double> ratios;
  for (const auto& report : *reports) {
    last_load = std::max(last_load, report.id.value);
    if (report.id.value <= after) continue;
    ++(report.ok() ? sum.loads : sum.failed);
    sum.bytes_moved += report.bytes_moved;
    sum.bytes_shared += report.bytes_shared;
    sum.verified_chunks += report.verified_chunks;
    sum.bad_chunks += report.bad_chunks;
    for (const auto& source : report.sources) {
      std::string name = source.kind + " over " + source.path;
      std::replace(name.begin(), name.end(), '_', ' ');
      if (source.bytes > 0 && source.kind != "same_device") sum.bytes_by_source[name] += source.bytes;
    }
    if (report.ok() && report.bytes_moved > 0)
      ratios.push_back(static_cast<double>(report.wall_us) * bytes_per_us / static_cast<double>(report.bytes_moved));
  }
  if (!ratios.empty()) {
    std::nth_element(ratios.begin(), ratios.begin() + static_cast<ptrdiff_t>(ratios.size() / 2), ratios.end());
    sum.median_copy_ratio = ratios[ratios.size() / 2];
  }
  return sum;
}

} // namespace fastptm::demo
