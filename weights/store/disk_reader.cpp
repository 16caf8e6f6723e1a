// The reader's thread: chunks of queued shards through one ring, checksums as they land.
#include "weights/store/disk_reader.hpp"

#include <cerrno>
#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "core/check.hpp"
#include "core/log.hpp"
#include "weights/format/hash.hpp"

namespace fastptm::weights {

namespace {

constexpr uint64_t block_bytes = 4096; // what O_DIRECT asks of offsets, sizes and addresses

} // namespace

// One shard being read.
struct disk_reader::job {
  disk_read what;
  bool in_memory = false; // to be checked where it lies
  std::function<void(disk_read_result)> done;
  disk_read_result result;
  int file = -1;
  size_t next_chunk = 0;
  size_t in_flight = 0;
  std::vector<bool> right; // by chunk
  uint32_t told_chunks = 0;

  ~job() {
    if (file >= 0) close(file);
  }
  bool all_asked() const { return !result.outcome || next_chunk == what.chunk_checksums.size(); }
  uint64_t offset_of(size_t chunk) const { return chunk * chunk_bytes; }
  uint64_t length_of(size_t chunk) const { return std::min(chunk_bytes, what.target.size_bytes - offset_of(chunk)); }
  void fail(core::error why) {
    if (result.outcome) result.outcome = core::fail(std::move(why));
  }

  std::string name() const { return in_memory ? "the copy in the host cache" : what.file.string(); }

  // A regular file of exactly the expected size, read past the page cache where the file system can.
  void open_file() {
    result.start_us = core::monotonic_now_us();
    const auto* name = what.file.c_str();
    constexpr int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW;
    file = open(name, flags | O_DIRECT);
    if (file < 0 && errno == EINVAL) file = open(name, flags);
    if (file < 0) return fail(core::from_errno(errno, what.file.string()));
    struct stat facts {};
    if (fstat(file, &facts) != 0) return fail(core::from_errno(errno, what.file.string()));
    if (!S_ISREG(facts.st_mode) || static_cast<uint64_t>(facts.st_size) != what.target.size_bytes)
      fail({core::errc::corrupt,
            fmt::format("{} has {} bytes instead of {}", what.file.string(), facts.st_size, what.target.size_bytes)});
  }

  void check(size_t chunk) {
    const auto found = chunk_checksum(what.target.address + offset_of(chunk), length_of(chunk));
    if (found == what.chunk_checksums[chunk]) return note_right(chunk);
    ++result.bad_chunks;
    if (!result.first_wrong || chunk < result.first_wrong->chunk)
      result.first_wrong = {static_cast<uint32_t>(chunk), what.chunk_checksums[chunk], found};
  }

  // Reads end in any order: a chunk counts when all before it are there.
  void note_right(size_t chunk) {
    if (!what.progress) return;
    right.resize(what.chunk_checksums.size());
    right[chunk] = true;
    auto first_ones = told_chunks;
    while (first_ones < right.size() && right[first_ones]) ++first_ones;
    if (first_ones == told_chunks || first_ones == right.size()) return; // the outcome says the rest
    told_chunks = first_ones;
    what.progress(told_chunks);
  }

  void check_all() {
    result.start_us = core::monotonic_now_us();
    while (!all_asked()) check(next_chunk++);
  }

  void finish() {
    if (result.bad_chunks > 0)
      fail({core::errc::corrupt, fmt::format("{}: {} of {} chunks are damaged: {}", name(), result.bad_chunks,
                                             what.chunk_checksums.size(), to_text(*result.first_wrong))});
    result.end_us = core::monotonic_now_us();
    done(std::move(result));
  }
};

// The io_uring instance and its reads in flight.
class disk_reader::ring {
public:
  static std::unique_ptr<ring> create(unsigned reads) {
    std::unique_ptr<ring> made(new ring(reads));
    const int failed = io_uring_queue_init(reads, &made->uring_, 0);
    if (failed == 0) return made;
    core::log::warn("store", "io-uring-missing", "the kernel refuses io_uring ({}): reading with pread", -failed);
    made->ready_ = false;
    return nullptr;
  }
  ~ring() {
    if (ready_) io_uring_queue_exit(&uring_);
  }

  bool has_room() const { return in_flight_ < slots_.size(); }
  unsigned in_flight() const { return in_flight_; }

  void ask(const std::shared_ptr<job>& of, size_t chunk) {
    for (auto& slot : slots_) {
      if (slot.of) continue;
      slot = {of, chunk, 0};
      ++of->in_flight;
      ++in_flight_;
      return queue(slot);
    }
  }

  // Waits for at least one read; calls `ended(job)` for every job whose last read came back.
  template <class Ended> void wait(Ended ended) {
    io_uring_submit_and_wait(&uring_, 1);
    io_uring_cqe* event = nullptr;
    while (io_uring_peek_cqe(&uring_, &event) == 0) {
      auto& slot = *static_cast<read_slot*>(io_uring_cqe_get_data(event));
      const int outcome = event->res;
      io_uring_cqe_seen(&uring_, event);
      if (!complete(slot, outcome)) continue;
      const auto of = std::exchange(slot.of, nullptr);
      --in_flight_;
      if (--of->in_flight == 0 && of->all_asked()) ended(of);
    }
  }

private:
  struct read_slot {
    std::shared_ptr<job> of;
    size_t chunk = 0;
    uint64_t have_bytes = 0;
  };

  explicit ring(unsigned reads) : slots_(reads) {}

  void queue(read_slot& slot) {
    auto& of = *slot.of;
    auto* entry = io_uring_get_sqe(&uring_);
    core::check(entry, "the ring is as long as its slots");
    const auto offset = of.offset_of(slot.chunk) + slot.have_bytes;
    const auto length = of.length_of(slot.chunk) - slot.have_bytes;
    io_uring_prep_read(entry, of.file, of.what.target.address + offset, static_cast<unsigned>(length), offset);
    io_uring_sqe_set_data(entry, &slot);
  }

  // False: the rest of the chunk was asked for.
  bool complete(read_slot& slot, int outcome) {
    auto& of = *slot.of;
    if (outcome == -EINTR || outcome == -EAGAIN) {
      queue(slot);
      return false;
    }
    if (outcome <= 0) {
      of.fail(outcome < 0 ? core::from_errno(-outcome, of.what.file.string())
                          : core::error{core::errc::corrupt, of.what.file.string() + " ended early"});
      return true;
    }
    slot.have_bytes += static_cast<uint64_t>(outcome);
    if (slot.have_bytes < of.length_of(slot.chunk)) {
      queue(slot);
      return false;
    }
    of.check(slot.chunk);
    return true;
  }

  io_uring uring_{};
  bool ready_ = true;
  std::vector<read_slot> slots_;
  unsigned in_flight_ = 0;
};

disk_reader::disk_reader(disk_reader_options bounds) : bounds_(bounds), ring_(ring::create(bounds.reads_in_flight)) {
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "disk-reader");
}

disk_reader::~disk_reader() {
  std::deque<std::shared_ptr<job>> left;
  {
    core::mutex_lock lock(mutex_);
    stopping_ = true;
    left.swap(jobs_);
  }
  arrived_.notify_all();
  thread_.join();
  for (const auto& one : left) {
    one->fail({core::errc::cancelled, "the store is stopping"});
    one->finish();
  }
}

core::result<void> disk_reader::submit(disk_read what, std::function<void(disk_read_result)> done) {
  core::check(what.target.size_bytes % block_bytes == 0 &&
                  reinterpret_cast<uintptr_t>(what.target.address) % block_bytes == 0,
              "shards are read in whole blocks");
  core::check(what.chunk_checksums.size() == chunk_count(what.target.size_bytes), "every chunk has a checksum");
  auto made = std::make_shared<job>();
  made->what = std::move(what);
  made->done = std::move(done);
  return queue(std::move(made));
}

core::result<void> disk_reader::check_again(core::memory_region target, std::vector<uint64_t> chunk_checksums,
                                            std::function<void(disk_read_result)> done) {
  auto made = std::make_shared<job>();
  made->what = {{}, target, std::move(chunk_checksums), {}};
  made->in_memory = true;
  made->done = std::move(done);
  return queue(std::move(made));
}

core::result<void> disk_reader::queue(std::shared_ptr<job> made) {
  {
    core::mutex_lock lock(mutex_);
    if (stopping_ || jobs_.size() >= bounds_.queued_shards)
      return core::fail(core::errc::busy, fmt::format("{} shards wait for the disk", jobs_.size()));
    jobs_.push_back(std::move(made));
  }
  arrived_.notify_one();
  return {};
}

std::string_view disk_reader::path() const {
  return ring_ ? "io_uring" : "pread";
}

std::shared_ptr<disk_reader::job> disk_reader::take_job(bool may_wait) {
  core::mutex_lock lock(mutex_);
  while (may_wait && !stopping_ && jobs_.empty()) arrived_.wait(lock);
  if (jobs_.empty()) return nullptr;
  auto taken = std::move(jobs_.front());
  jobs_.pop_front();
  return taken;
}

void disk_reader::run() {
  std::shared_ptr<job> current; // still has chunks to ask for
  for (;;) {
    const bool idle = !current && (!ring_ || ring_->in_flight() == 0);
    if (!current) current = take_job(idle);
    if (!current && idle) return; // stopping
    // A gigabyte takes a tenth of a second, and what is being read meanwhile lands without this thread.
    if (current && current->in_memory) current->check_all();
    if (current && !current->in_memory && current->file < 0) current->open_file();
    if (current && !ring_) read_blocking(*current);
    while (current && ring_ && ring_->has_room() && !current->all_asked()) ring_->ask(current, current->next_chunk++);
    if (current && current->all_asked()) {
      if (current->in_flight == 0) current->finish();
      current = nullptr;
      if (ring_ && ring_->has_room()) continue; // the next shard's chunks fill the ring
    }
    if (ring_ && ring_->in_flight() > 0) ring_->wait([](const auto& ended) { ended->finish(); });
  }
}

// Where io_uring is refused: one read after another.
void disk_reader::read_blocking(job& what) {
  for (; !what.all_asked(); ++what.next_chunk) {
    const auto offset = what.offset_of(what.next_chunk);
    const auto length = what.length_of(what.next_chunk);
    for (uint64_t have = 0; have < length && what.result.outcome;) {
      const auto got =
          pread(what.file, what.what.target.address + offset + have, length - have, static_cast<off_t>(offset + have));
      if (got > 0)
        have += static_cast<uint64_t>(got);
      else if (got == 0)
        what.fail({core::errc::corrupt, what.what.file.string() + " ended early"});
      else if (errno != EINTR)
        what.fail(core::from_errno(errno, what.what.file.string()));
    }
    if (what.result.outcome) what.check(what.next_chunk);
  }
}

} // namespace fastptm::weights
