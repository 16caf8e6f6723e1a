// Reads /proc/meminfo and the files of control groups, version 2 and 1.
#include "core/host_memory.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>

#include <fmt/format.h>

namespace fastptm::core {

namespace fs = std::filesystem;

namespace {

// Nothing for "max", a missing file, or what is no number.
std::optional<uint64_t> number_in(const fs::path& file) {
  std::ifstream in(file);
  uint64_t value = 0;
  if (in >> value) return value;
  return std::nullopt;
}

// The value behind a word at the beginning of a line; 0 when there is none.
uint64_t field_in(const fs::path& file, std::string_view name) {
  std::ifstream in(file);
  for (std::string word; in >> word;) {
    uint64_t value = 0;
    if (word == name) return in >> value ? value : 0;
    std::getline(in, word);
  }
  return 0;
}

struct group_files {
  const char* limit;
  const char* used;
  const char* cached; // in memory.stat: given back when others need it
  const char* shared; // counts as cached, and is in use
};
constexpr group_files version_2{"memory.max", "memory.current", "file", "shmem"};
constexpr group_files version_1{"memory.limit_in_bytes", "memory.usage_in_bytes", "total_cache", "total_shmem"};

// The tightest of a group and those above it, up to `top`.
void tighten(available_memory& least, fs::path group, const fs::path& top, const group_files& files) {
  while (true) {
    const auto limit = number_in(group / files.limit), used = number_in(group / files.used);
    if (limit && used) {
      const auto stat = group / "memory.stat";
      const uint64_t shared = field_in(stat, files.shared), cached = field_in(stat, files.cached);
      const uint64_t in_use = *used - std::min(*used, cached - std::min(cached, shared));
      const uint64_t left = *limit - std::min(*limit, in_use);
      if (left < least.bytes) least = {left, fmt::format("{} is {} MiB", (group / files.limit).string(), *limit >> 20)};
    }
    if (group == top || !group.has_relative_path()) return;
    group = group.parent_path();
  }
}

// Lines `0::/path` (version 2) and `N:memory:/path` (version 1). In a container the path may be the host's: then the
// group is mounted at the top.
void tighten_by_groups(available_memory& least, const fs::path& root) {
  std::ifstream in(root / "proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const auto controllers = std::string_view(line).substr(first + 1, second - first - 1);
    const bool is_2 = controllers.empty();
    if (!is_2 && controllers != "memory") continue;
    const fs::path top = root / (is_2 ? "sys/fs/cgroup" : "sys/fs/cgroup/memory");
    const fs::path path = top / fs::path(line.substr(second + 1)).relative_path();
    std::error_code trouble;
    const auto group = fs::is_directory(path, trouble) ? path.lexically_normal() : top;
    tighten(least, group.has_filename() ? group : group.parent_path(), top, is_2 ? version_2 : version_1);
  }
}

} // namespace

std::optional<available_memory> find_available_memory(const fs::path& root) {
  available_memory least{UINT64_MAX, {}};
  if (const auto kib = field_in(root / "proc/meminfo", "MemAvailable:"); kib > 0)
    least = {kib << 10, "MemAvailable of this machine"};
  tighten_by_groups(least, root);
  if (least.bytes == UINT64_MAX) return std::nullopt;
  return least;
}

result<void> check_memory(uint64_t bytes, std::string_view what, std::string_view way_out) {
  const auto available = find_available_memory();
  if (!available || bytes <= available->bytes) return {};
  return fail(errc::does_not_fit, fmt::format("{}: {} MiB of memory wanted and {} MiB available ({}): {}", what,
                                              bytes >> 20, available->bytes >> 20, available->limit, way_out));
}

} // namespace fastptm::core
