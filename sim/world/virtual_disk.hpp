// The store's disk in a world: reads take virtual time, sectors rot, reads fail.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/random.hpp"
#include "weights/store/object_reader.hpp"

namespace fastptm::sim::world {

// The bytes of real objects, read once each and shared by all worlds of a process: also of files that are links to
// them. Other files are read anew each time. One thread.
class object_shelf {
public:
  // Of a file that stays as it is.
  const std::vector<std::byte>& bytes_of(const std::filesystem::path& file);
  // False: there is no such file, or it has another size.
  bool read(const std::filesystem::path& file, core::memory_region target) const;

private:
  std::map<uint64_t, std::vector<std::byte>> files_; // by inode
};

// One read after the other. One thread; nothing completes but inside progress().
class virtual_disk final : public weights::object_reader {
public:
  virtual_disk(const core::clock& clock, object_shelf& shelf) : clock_(clock), shelf_(shelf) {}

  core::result<void> submit(weights::disk_read what, std::function<void(weights::disk_read_result)> done) override;
  core::result<void> check_again(core::memory_region target, std::vector<uint64_t> chunk_checksums,
                                 std::function<void(weights::disk_read_result)> done) override;
  std::string_view path() const override { return "virtual"; }

  static constexpr uint64_t usual_bps = 30'000'000;
  uint64_t rate_bps = usual_bps;
  core::duration_us seek_us = 200;
  bool fails = false;          // what ends meanwhile
  bool finds_all_good = false; // when it is to look again

  std::function<void()> when_busy; // there is something to do

  bool is_idle() const { return reads_.empty(); }
  bool progress();
  std::optional<core::time_us> next_due_us() const;
  // Nothing completes while its machine stands still.
  void freeze(bool on) { is_frozen_ = on; }

private:
  struct read {
    std::optional<std::filesystem::path> file; // none: what lies in the target is looked at again
    core::memory_region target;
    std::vector<uint64_t> chunk_checksums;
    std::function<void(weights::disk_read_result)> done;
    core::time_us start_us = 0, due_us = 0;
  };
  core::result<void> queue(read what);
  void carry_out(const read& what, weights::disk_read_result& result) const;

  const core::clock& clock_;
  object_shelf& shelf_;
  std::deque<read> reads_;
  bool is_frozen_ = false;
};

} // namespace fastptm::sim::world
