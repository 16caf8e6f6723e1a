// The best of a few short runs each: disturbances only make them slower.
#include "node/calibration.hpp"

#include <algorithm>
#include <fcntl.h>
#include <functional>
#include <optional>
#include <unistd.h>

#include "core/log.hpp"
#include "core/units.hpp"
#include "gpu/host/memory.hpp"
#include "transport/probe.hpp"

namespace fastptm::node {

namespace {

using namespace core::literals;

// As little as gives the same figure within a few percent: every head measures at its start. Memory needs more than
// the caches of a processor hold.
constexpr uint64_t memory_bytes = 32_MiB;
constexpr uint64_t socket_bytes = 8_MiB;
constexpr uint64_t disk_bytes = 16_MiB;
constexpr int runs = 3;

using measurement = std::function<core::result<core::duration_us>()>;

std::optional<uint64_t> best_rate_bps(uint64_t bytes, const measurement& once) {
  std::optional<core::duration_us> best_us;
  for (int i = 0; i < runs; ++i) {
    const auto took_us = once();
    if (!took_us) return std::nullopt;
    best_us = std::min(best_us.value_or(*took_us), *took_us);
  }
  return bytes * 1'000'000 / static_cast<uint64_t>(*best_us);
}

// A file that is on the disk, not only in memory.
bool put_on_disk(const std::filesystem::path& path, core::memory_region from) {
  const int file = ::open(path.c_str(), O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return false;
  uint64_t written = 0;
  while (written < from.size_bytes) {
    const auto count = ::write(file, from.address + written, from.size_bytes - written);
    if (count <= 0) break;
    written += static_cast<uint64_t>(count);
  }
  const bool good = written == from.size_bytes && ::fdatasync(file) == 0;
  ::close(file);
  return good;
}

} // namespace

std::vector<protocol::link_rate> calibrate(const std::filesystem::path& folder, std::string_view disk_path,
                                           core::memory_region spare) {
  std::vector<protocol::link_rate> links;
  const auto add = [&](std::string_view path, uint64_t bytes, const measurement& once) {
    if (const auto rate_bps = best_rate_bps(bytes, once)) links.push_back({std::string(path), *rate_bps});
  };
  std::optional<gpu::host::mapping> taken; // memory that the machine did not have before costs more than all the rest
  if (spare.size_bytes < 2 * memory_bytes) {
    auto made = gpu::host::mapping::make(2 * memory_bytes);
    if (!made) return links;
    spare = taken.emplace(std::move(*made)).region();
    gpu::host::populate(spare);
  }
  const auto from = spare.slice(0, memory_bytes), to = spare.slice(memory_bytes, memory_bytes);
  // Both are one copy by one thread.
  if (const auto copy_bps = best_rate_bps(memory_bytes, [&] { return transport::bare_memcpy_us(to, from); })) {
    for (const auto* path : {"map", "cma"}) links.push_back({path, *copy_bps});
  }
  add("tcp", socket_bytes,
      [&] { return transport::bare_socket_us(to.slice(0, socket_bytes), from.slice(0, socket_bytes)); });
  const auto file = folder / "calibration";
  const auto read_to = to.slice(0, disk_bytes);
  if (put_on_disk(file, from.slice(0, disk_bytes))) {
    add(disk_path, disk_bytes, [&] {
      return disk_path == "io_uring" ? transport::bare_disk_us({file}, read_to)
                                     : transport::bare_pread_us(file, read_to);
    });
  }
  std::error_code ignored;
  std::filesystem::remove(file, ignored);
  for (const auto& link : links)
    core::log::info("node", "link-measured", "{}: {} MB/s", link.path, link.rate_bps / 1'000'000);
  return links;
}

void begin_with(const std::vector<protocol::link_rate>& links, policy::scheduling::options& expected) {
  for (const auto& link : links) {
    if (link.path == "cma") expected.peer_bytes_per_s = link.rate_bps;
    if (link.path == "map") expected.home_bytes_per_s = link.rate_bps;
  }
}

} // namespace fastptm::node
