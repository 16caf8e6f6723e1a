// A queue of reads, each with the time at which it ends.
#include "sim/world/virtual_disk.hpp"

#include <algorithm>
#include <cstring>
#include <fstream>

#include <sys/stat.h>

#include "core/check.hpp"
#include "weights/format/hash.hpp"

namespace fastptm::sim::world {

namespace {

// 0: there is none.
uint64_t inode_of(const std::filesystem::path& file) {
  struct stat found {};
  return ::stat(file.c_str(), &found) == 0 ? found.st_ino : 0;
}

bool read_all(const std::filesystem::path& file, core::memory_region target) {
  std::error_code failed;
  if (std::filesystem::file_size(file, failed) != target.size_bytes || failed) return false;
  std::ifstream in(file, std::ios::binary);
  in.read(reinterpret_cast<char*>(target.address), static_cast<std::streamsize>(target.size_bytes));
  return in.good();
}

} // namespace

const std::vector<std::byte>& object_shelf::bytes_of(const std::filesystem::path& file) {
  auto [found, is_new] = files_.try_emplace(inode_of(file));
  if (is_new) {
    auto& bytes = found->second;
    bytes.resize(std::filesystem::file_size(file));
    core::check(read_all(file, {bytes.data(), bytes.size()}), "an object on the shelf can be read");
  }
  return found->second;
}

bool object_shelf::read(const std::filesystem::path& file, core::memory_region target) const {
  const auto found = files_.find(inode_of(file));
  if (found == files_.end()) return read_all(file, target);
  if (found->second.size() != target.size_bytes) return false;
  std::memcpy(target.address, found->second.data(), target.size_bytes);
  return true;
}

core::result<void> virtual_disk::submit(weights::disk_read what, std::function<void(weights::disk_read_result)> done) {
  return queue({std::move(what.file), what.target, std::move(what.chunk_checksums), std::move(done), 0, 0});
}

core::result<void> virtual_disk::check_again(core::memory_region target, std::vector<uint64_t> chunk_checksums,
                                             std::function<void(weights::disk_read_result)> done) {
  return queue({std::nullopt, target, std::move(chunk_checksums), std::move(done), 0, 0});
}

core::result<void> virtual_disk::queue(read what) {
  what.start_us = reads_.empty() ? clock_.now_us() : std::max(clock_.now_us(), reads_.back().due_us);
  what.due_us = what.start_us + seek_us + static_cast<core::duration_us>(what.target.size_bytes * 1'000'000 / rate_bps);
  reads_.push_back(std::move(what));
  if (when_busy) when_busy();
  return {};
}

bool virtual_disk::progress() {
  if (is_frozen_ || reads_.empty() || reads_.front().due_us > clock_.now_us()) return false;
  const auto one = std::move(reads_.front());
  reads_.pop_front();
  weights::disk_read_result result;
  result.start_us = one.start_us;
  result.end_us = clock_.now_us();
  carry_out(one, result);
  one.done(std::move(result));
  return true;
}

void virtual_disk::carry_out(const read& what, weights::disk_read_result& result) const {
  if (fails && what.file) return void(result.outcome = core::fail(core::errc::io, "the disk fails"));
  if (finds_all_good && !what.file) return;
  if (what.file && !shelf_.read(*what.file, what.target))
    return void(result.outcome = core::fail(core::errc::not_found, "the object is not there"));
  for (uint32_t chunk = 0; chunk < what.chunk_checksums.size(); ++chunk) {
    const uint64_t at = chunk * weights::chunk_bytes;
    const auto size = std::min(weights::chunk_bytes, what.target.size_bytes - at);
    const auto found = weights::chunk_checksum(what.target.address + at, size);
    if (found == what.chunk_checksums[chunk]) continue;
    if (result.bad_chunks++ == 0) result.first_wrong = {chunk, what.chunk_checksums[chunk], found};
  }
  if (result.bad_chunks > 0) result.outcome = core::fail(core::errc::corrupt, "chunks with a wrong checksum");
}

std::optional<core::time_us> virtual_disk::next_due_us() const {
  if (is_frozen_ || reads_.empty()) return std::nullopt;
  return reads_.front().due_us;
}

} // namespace fastptm::sim::world
