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
  for (const auto report : (*reports)->getLoads()) {
    last_load = std::max(last_load, report.getId());
    if (report.getId() <= after) continue;
    ++(report.getOk() ? sum.loads : sum.failed);
    sum.bytes_moved += report.getBytesMoved();
    sum.bytes_shared += report.getBytesShared();
    sum.verified_chunks += report.getVerifiedChunks();
    sum.bad_chunks += report.getBadChunks();
    for (const auto source : report.getSources()) {
      std::string name = std::string(source.getKind().cStr()) + " over " + source.getPath().cStr();
      std::replace(name.begin(), name.end(), '_', ' ');
      if (source.getBytes() > 0 && std::string_view(source.getKind().cStr()) != "same_device")
        sum.bytes_by_source[name] += source.getBytes();
    }
    if (report.getOk() && report.getBytesMoved() > 0)
      ratios.push_back(static_cast<double>(report.getWallUs()) * bytes_per_us /
                       static_cast<double>(report.getBytesMoved()));
  }
  if (!ratios.empty()) {
    std::nth_element(ratios.begin(), ratios.begin() + static_cast<ptrdiff_t>(ratios.size() / 2), ratios.end());
    sum.median_copy_ratio = ratios[ratios.size() / 2];
  }
  return sum;
}

} // namespace fastptm::demo
