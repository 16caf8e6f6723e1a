// A queue of reads, each with the time at which it ends.
#include "sim/world/virtual_disk.hpp"

#include <algorithm>
#include <cstring>
#include <fstream>

#include "core/check.hpp"
#include "weights/format/hash.hpp"

namespace fastptm::sim::world {

const std::vector<std::byte>& object_shelf::bytes_of(const std::filesystem::path& file) {
  auto [found, is_new] = files_.try_emplace(file);
  if (is_new) {
    std::ifstream in(file, std::ios::binary);
    found->second.resize(std::filesystem::file_size(file));
    in.read(reinterpret_cast<char*>(found->second.data()), static_cast<std::streamsize>(found->second.size()));
    core::check(in.good(), "an object on the shelf can be read");
  }
  return found->second;
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
  return {};
}

bool virtual_disk::progress() {
  if (is_frozen_ || reads_.empty() || reads_.front().due_us > clock_.now_us()) return false;
  const auto one = std::move(reads_.front());
  reads_.pop_front();
  if (one.file) {
    const auto& bytes = shelf_.bytes_of(*one.file);
    core::check(bytes.size() == one.target.size_bytes, "an object has its size");
    std::memcpy(one.target.address, bytes.data(), bytes.size());
  }
  weights::disk_read_result result;
  result.start_us = one.start_us;
  result.end_us = clock_.now_us();
  for (uint32_t chunk = 0; chunk < one.chunk_checksums.size(); ++chunk) {
    const uint64_t at = chunk * weights::chunk_bytes;
    const auto size = std::min(weights::chunk_bytes, one.target.size_bytes - at);
    const auto found = weights::chunk_checksum(one.target.address + at, size);
    if (found == one.chunk_checksums[chunk]) continue;
    if (result.bad_chunks++ == 0) result.first_wrong = {chunk, one.chunk_checksums[chunk], found};
  }
  if (result.bad_chunks > 0) result.outcome = core::fail(core::errc::corrupt, "chunks with a wrong checksum");
  one.done(std::move(result));
  return true;
}

std::optional<core::time_us> virtual_disk::next_due_us() const {
  if (is_frozen_ || reads_.empty()) return std::nullopt;
  return reads_.front().due_us;
}

} // namespace fastptm::sim::world
