// Executes one load: drives a fetch_plan over fetchers, verifies every chunk, survives its sources.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/memory_region.hpp"
#include "core/mutex.hpp"
#include "policy/fetch_plan.hpp"
#include "policy/link_rates.hpp"
#include "transport/fetcher.hpp"
#include "weights/format/hash.hpp"
#include "weights/load/load_report.hpp"
#include "weights/load/stage_clock.hpp"
#include "weights/load/verifier.hpp"

namespace fastptm::weights {

// One missing shard, in the order in which it is wanted. Its number is its position in the list given to the loader.
struct shard_to_load {
  core::memory_region target; // exactly the shard's size
  std::vector<uint64_t> chunk_checksums;
};

struct shard_location {
  uint32_t shard = 0;
  uint64_t region = 0;
  uint64_t generation = 0;
  uint64_t offset_bytes = 0;
  // Fewer than the shard has: it is still coming there, and these, its first ones, have come.
  uint32_t chunks = policy::fetch_plan::all_chunks;
};

struct load_source {
  policy::source_kind kind{};
  transport::peer_address peer;
  transport::fetcher* via = nullptr; // outlives the loader
  std::string reported_path;         // instead of the fetcher's, e.g. "io_uring" for what a store just read from disk
  bool is_where_calibrated = true;   // both ends of its link are
  std::vector<shard_location> holds; // more may follow by add_holdings
};

// What a source gave instead of a chunk.
struct wrong_bytes {
  uint32_t source = 0;
  policy::source_kind kind{};
  shard_location from;
  wrong_chunk what;
};

struct loader_options {
  policy::fetch_plan_options plan;
  policy::link_rates rates; // what sources are taken to deliver at first, and what `limit` is measured against
};

// Called from whichever thread finished the work (pump, copy pool, verifier, or inside a call to the loader), never
// while the loader is locked. An actor turns each into a message to itself.
struct loader_callbacks {
  std::function<void(uint32_t shard)> shard_verified; // all its bytes are checked: may be computed with and served on
  // So many of its first chunks are, and may be served on. Threads overlap: it may come late. May be unset.
  std::function<void(uint32_t shard, uint32_t chunks)> part_verified;
  std::function<void(const std::string& node, const core::error& why)> source_failed; // out of this load
  // These shards have no usable source now. Answer with add_source or add_holdings (or wait for what is being staged),
  // or with give_up. Repeated only after more sources were lost. Unset: the load fails at once.
  std::function<void(std::vector<uint32_t> shards)> starved;
  // look() is due then, at the latest. Told again for an earlier time, and after every look(). Unset: nobody looks, and
  // a source that is busy is asked again when something else has completed.
  std::function<void(core::time_us at_us)> look_at;
  // Exactly once, last of all: nothing writes into any target any more.
  std::function<void(core::result<void> outcome, load_report report)> done;
};

// Thread-safe: completions drive it on the thread they arrive on, so the next chunk is asked for without a detour
// through an actor. Everything handed in (targets, fetchers, verifier) stays valid until `done`;
// the loader keeps itself alive.
class loader : public std::enable_shared_from_this<loader> {
public:
  static std::shared_ptr<loader> make(loader_options options, std::vector<shard_to_load> shards, verifier& checker,
                                      const core::clock& clock, loader_callbacks callbacks);

  // Before start() or while running; returns the number for add_holdings.
  uint32_t add_source(load_source source);
  void add_holdings(uint32_t source, const std::vector<shard_location>& holds);
  // A staging from disk found damaged chunks: counted in the report as bad.
  void note_bad_chunks(uint32_t source, uint32_t chunks);
  // A staging has read the disk for this load, at that rate: what its link carries.
  void note_read(uint32_t source, uint64_t bytes, core::duration_us took_us);
  // For the report: from now on this is what the shard waits for, until somebody has it.
  void note_wait(uint32_t shard, load_wait what);

  void start();

  // Time has passed: sources that were busy are asked again, those that have become slow are noticed.
  void look();

  // The directory says that this life of a node is over: its fetches are cancelled, its chunks taken elsewhere.
  void lose_source(const std::string& node, uint64_t incarnation);
  // Those that have no usable source just now: whoever heard `starved` some time ago may have been overtaken.
  std::vector<uint32_t> starved_shards();
  // What came since the last call. Asked for after starved_shards, it has all that these starve for.
  std::vector<wrong_bytes> take_wrong_bytes();
  // When a chunk was last found right; 0: none was.
  core::time_us progress_us();
  // Ends the load with `why` as soon as nothing can write any more.
  void give_up(core::error why);

private:
  static constexpr auto never_us = std::numeric_limits<core::time_us>::max();

  struct source_state {
    load_source what;
    std::map<uint32_t, shard_location> holds;
    source_report report;
    bool lied = false;
    std::optional<core::time_us> first_us; // something was asked for
    core::time_us last_us = 0;             // something landed
    stage_clock::moment first_landed = stage_clock::beginning;
    uint64_t first_bytes = 0; // that landed then
    uint64_t read_bytes = 0;  // from the disk
    core::duration_us read_us = 0;
  };
  struct flight {
    policy::chunk_fetch fetch;
    transport::fetch_id id;
    bool accepted = false; // id is known
    bool doomed = false;   // cancelled by us: the source is not to blame
    stage_clock::moment asked = stage_clock::beginning;
  };
  // A chunk that is to be verified, in its place or in a buffer out of which it is copied there.
  struct arrival {
    policy::chunk_fetch fetch;
    bool may_be_torn = false;
    const std::byte* buffer = nullptr;
    stage_clock::moment asked = stage_clock::beginning, landed = stage_clock::beginning;
    bool queued = false; // behind others of this load
  };
  // What a shard waits for, and since when; over: somebody has it, since then.
  struct shard_wait {
    load_wait what = load_wait::plan;
    stage_clock::moment since = stage_clock::beginning;
    bool over = false;
    bool in_parts = false; // it comes to those who have it only now
  };
  // What to call once the lock is released.
  struct actions {
    std::vector<uint64_t> launches; // flights
    std::vector<std::pair<transport::fetcher*, transport::fetch_id>> cancels;
    std::vector<std::pair<transport::fetcher*, transport::peer_address>> closes;
    std::vector<arrival> checks;
    std::vector<uint32_t> verified;
    std::vector<std::pair<uint32_t, uint32_t>> parts; // shards, and how many of their first chunks are verified
    std::vector<std::pair<std::string, core::error>> failures;
    std::vector<uint32_t> starved;
    std::optional<core::time_us> look_at_us;
  };
  // A fetch that a transport did not accept.
  struct refusal {
    uint64_t token = 0;
    core::error why;
  };

  loader(loader_options options, std::vector<shard_to_load> shards, verifier& checker, const core::clock& clock,
         loader_callbacks callbacks);

  // -- completions ----------------------------------------------------------------------------------------------------
  void on_fetched(uint64_t token, core::result<transport::fetched> result);
  void on_checked(const arrival& what, uint64_t checksum);

  // -- locked: change state, note what to call ------------------------------------------------------------------------
  void note_landed(const flight& one, const transport::fetched& got, actions& out) FASTPTM_REQUIRES(mutex_);
  void note_failed(const flight& one, policy::fetch_failure failure, const core::error& why, actions& out)
      FASTPTM_REQUIRES(mutex_);
  void note_checked(const arrival& what, uint64_t checksum, actions& out) FASTPTM_REQUIRES(mutex_);
  flight take_flight(uint64_t token) FASTPTM_REQUIRES(mutex_);
  void check_later(arrival what, actions& out) FASTPTM_REQUIRES(mutex_);
  void note_held(uint32_t source, const shard_location& held) FASTPTM_REQUIRES(mutex_);
  void note_event(stage_clock::moment cause, load_wait what) FASTPTM_REQUIRES(mutex_);
  stage_clock::moment cause_of(const policy::chunk_fetch& asked, load_wait meanwhile, core::time_us now)
      FASTPTM_REQUIRES(mutex_);
  void note_wrong(const arrival& what, uint64_t found, actions& out) FASTPTM_REQUIRES(mutex_);
  void note_lost(uint32_t source, const core::error& why, actions& out) FASTPTM_REQUIRES(mutex_);
  void doom(flight& one, actions& out) FASTPTM_REQUIRES(mutex_);
  void doom_flights_of(uint32_t source, actions& out) FASTPTM_REQUIRES(mutex_);
  void doom_twins_of(const policy::chunk_fetch& fetch, actions& out) FASTPTM_REQUIRES(mutex_);
  // After every event, whatever it was: looks at the sources, asks for what can be asked for, says what has none left.
  void drive(actions& out) FASTPTM_REQUIRES(mutex_);
  void leave_crawling(core::time_us now, actions& out) FASTPTM_REQUIRES(mutex_);
  void plan_more(core::time_us now, actions& out) FASTPTM_REQUIRES(mutex_);
  void look_for_starved(core::time_us now, actions& out) FASTPTM_REQUIRES(mutex_);

  // -- unlocked: call, then look whether that was the end -------------------------------------------------------------
  // Requires: whoever noted them has counted itself in calls_out_.
  void run(actions what);
  std::vector<refusal> call_out(actions what);
  core::result<void> launch(uint64_t token);
  uint64_t checksum_of(const policy::chunk_fetch& fetch) const {
    return shards_[fetch.shard].chunk_checksums[fetch.chunk];
  }
  core::memory_region place_of(const policy::chunk_fetch& fetch) const;
  std::byte* buffer_of(const policy::chunk_fetch& fetch) FASTPTM_REQUIRES(mutex_);
  bool is_over() const FASTPTM_REQUIRES(mutex_);
  void finish_if_over();
  load_report make_report() FASTPTM_REQUIRES(mutex_);
  std::vector<load_stage> make_stages(core::time_us end_us) FASTPTM_REQUIRES(mutex_);
  void tell_first_bytes_apart() FASTPTM_REQUIRES(mutex_);
  std::vector<link_report> make_links(const std::vector<source_report>& sources) const FASTPTM_REQUIRES(mutex_);
  link_limit slowest_of(const std::vector<link_report>& links) const FASTPTM_REQUIRES(mutex_);

  const loader_options options_;
  const std::vector<shard_to_load> shards_;
  verifier& checker_;
  const core::clock& clock_;
  const loader_callbacks callbacks_;

  // Pump, copy pool, verifier and the owning actor meet here; no call-out and no copying under it.
  core::mutex mutex_;
  policy::fetch_plan plan_ FASTPTM_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<source_state>> sources_ FASTPTM_GUARDED_BY(mutex_);
  std::unordered_map<uint64_t, flight> flights_ FASTPTM_GUARDED_BY(mutex_);
  // Of hedges, made with the first one: a target has one writer, and that may be one that is late.
  std::vector<std::unique_ptr<std::byte[]>> buffers_ FASTPTM_GUARDED_BY(mutex_);
  uint64_t last_token_ FASTPTM_GUARDED_BY(mutex_) = 0;
  uint32_t checks_ FASTPTM_GUARDED_BY(mutex_) = 0;    // chunks in the verifier
  uint32_t calls_out_ FASTPTM_GUARDED_BY(mutex_) = 0; // threads inside run()
  bool started_ FASTPTM_GUARDED_BY(mutex_) = false;
  bool finished_ FASTPTM_GUARDED_BY(mutex_) = false;
  std::optional<core::error> giving_up_ FASTPTM_GUARDED_BY(mutex_);
  std::vector<uint32_t> last_starved_ FASTPTM_GUARDED_BY(mutex_);
  std::vector<wrong_bytes> wrong_ FASTPTM_GUARDED_BY(mutex_); // a window of every source at most
  std::string last_failure_ FASTPTM_GUARDED_BY(mutex_);
  core::time_us look_us_ FASTPTM_GUARDED_BY(mutex_) = never_us; // that the owner was told

  // The report's raw figures.
  uint64_t bytes_ FASTPTM_GUARDED_BY(mutex_) = 0;
  uint32_t verified_ FASTPTM_GUARDED_BY(mutex_) = 0;
  uint32_t bad_ FASTPTM_GUARDED_BY(mutex_) = 0;
  uint32_t refetched_ FASTPTM_GUARDED_BY(mutex_) = 0;
  core::time_us start_us_ FASTPTM_GUARDED_BY(mutex_) = 0;
  core::time_us last_land_us_ FASTPTM_GUARDED_BY(mutex_) = 0;
  core::time_us progress_us_ FASTPTM_GUARDED_BY(mutex_) = 0; // a chunk was found right
  std::optional<core::time_us> first_ask_us_ FASTPTM_GUARDED_BY(mutex_);
  stage_clock path_ FASTPTM_GUARDED_BY(mutex_);
  std::vector<shard_wait> waits_ FASTPTM_GUARDED_BY(mutex_);                             // by shard
  stage_clock::moment latest_ FASTPTM_GUARDED_BY(mutex_) = stage_clock::beginning;       // event
  bool has_happened_ FASTPTM_GUARDED_BY(mutex_) = false;                                 // one, since the last drive()
  stage_clock::moment last_checked_ FASTPTM_GUARDED_BY(mutex_) = stage_clock::beginning; // by the verifier
};

} // namespace fastptm::weights
