// The best of a few short runs each: disturbances only make them slower.
#include "node/calibration.hpp"

#include <algorithm>
#include <fcntl.h>
#include <functional>
#include <optional>
#include <unistd.h>

#include "bench/bare.hpp"
#include "core/log.hpp"
#include "core/units.hpp"
#include "transport/sealed_memory.hpp"

namespace fastptm::node {

namespace {

using namespace core::literals;

constexpr uint64_t measured_bytes = 32_MiB;
constexpr int runs = 5;

using measurement = std::function<core::result<core::duration_us>()>;

std::optional<uint64_t> best_rate_bps(const measurement& once) {
  std::optional<core::duration_us> best_us;
  for (int i = 0; i < runs; ++i) {
    const auto took_us = once();
    if (!took_us) return std::nullopt;
    best_us = std::min(best_us.value_or(*took_us), *took_us);
  }
  return measured_bytes * 1'000'000 / static_cast<uint64_t>(*best_us);
}

// A file of measured_bytes that is on the disk, not only in memory.
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

std::vector<actors::link_rate> calibrate(const std::filesystem::path& folder) {
  std::vector<actors::link_rate> links;
  const auto add = [&](const char* path, const measurement& once) {
    if (const auto rate_bps = best_rate_bps(once)) links.push_back({path, *rate_bps});
  };
  auto source = transport::sealed_memory::create("calibration source", measured_bytes);
  auto target = transport::sealed_memory::create("calibration target", measured_bytes);
  if (!source || !target) return links;
  const auto from = source->region(), to = target->region();
  // Both are one copy by one thread.
  if (const auto copy_bps = best_rate_bps([&] { return bench::bare_memcpy_us(to, from); })) {
    for (const auto* path : {"map", "cma"}) links.push_back({path, *copy_bps});
  }
  add("tcp", [&] { return bench::bare_socket_us(to, from); });
  const auto file = folder / "calibration";
  if (put_on_disk(file, from)) add("io_uring", [&] { return bench::bare_disk_us({file}, to); });
  std::error_code ignored;
  std::filesystem::remove(file, ignored);
  for (const auto& link : links)
    core::log::info("node", "link-measured", "{}: {} MB/s", link.path, link.rate_bps / 1'000'000);
  return links;
}

} // namespace fastptm::node
