// Decides which chunk of a load is taken from which source next. Pure: no clock, no I/O, no threads.
//
// One queue of chunks in layer order; every source has a window. A chunk goes to the holder that would have it first
// (bytes queued there over its rate); if that holder's window is full the chunk waits. What a source does not bring
// goes back to the queue when its fetches have completed; finished chunks stay.
//
// A source is in exactly one state. It changes with what is told of the source, and with time, which look() brings:
//
//   state   is asked                           until
//   good    yes                                see below
//   slow    where no good one is               it lands a chunk: good; others have brought all it had: as after hung
//   busy    no                                 something completes, or its time comes: good
//   hung    no                                 its time comes, or a shard has nobody else: good, but for one chunk at a
//                                              time and with more patience, until it lands one; that twice at most
//   liar    no                                 the load ends: one wrong checksum is enough
//   out     no                                 the load ends
//
//   good becomes slow: nothing has landed for several times what a chunk takes. It keeps what it was asked for.
//   good, slow become busy: the source, or the way to it, has refused a fetch.
//   good, slow, busy become hung: no byte has come for the patience that its fetches were given.
//   any becomes out: it is dead, was declared lost, or crawls: asked all the time, it has landed no chunk for crawl_us.
//
// Hedges: a chunk that a slow source has is asked of a good one, too, if that one would have brought it in the time in
// which the other brought nothing, and if nothing else remains to be asked for, in the load or in the shard that is wanted
// next. A hedge goes into a buffer of its own: a target has one writer. The first one that is right ends the other.
//
// At most most_sources are asked at a time, those that are expected to be the fastest; the others take over when one is
// lost, and beyond that only what none of these has is asked of them.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "core/clock.hpp"
#include "policy/rate_window.hpp"
#include "policy/sourcing.hpp"
#include "policy/waiting_shards.hpp"

namespace fastptm::policy {

struct fetch_plan_options {
  uint64_t chunk_bytes = 4ull << 20;
  uint32_t window_chunks = 4;      // in flight per source: flat from 4 on, and bounds what a death costs
  uint32_t unverified_chunks = 32; // landed but not yet verified: beyond it fetching waits for verification
  uint32_t most_sources = 8;       // each is a connection; more of them share the same links

  // A fetch has time for as long as bytes come from its source. Without any it is given up after late_factor x what was
  // expected of it, within these bounds. TCP is silent for 0.2 s after a loss, for 0.6 s after two of the same bytes, and
  // on a link that many share both are usual; whoever is waited for is hedged long before.
  core::duration_us late_us = 1'000'000;
  core::duration_us lone_late_us = 2'000'000; // instead of late_us where nobody else could deliver it
  core::duration_us longest_us = 4'000'000;
  uint32_t late_factor = 8;

  core::duration_us slow_us = 50'000; // at least; a busy machine is that late now and then
  uint32_t slow_factor = 4;
  core::duration_us crawl_us = 15'000'000; // a chunk of 4 MiB for each of 30 who share 10 MB/s

  uint32_t hedges = 2; // at a time: each has a buffer of a chunk

  core::duration_us busy_us = 2'000;     // doubles with every refusal in a row
  core::duration_us rest_us = 1'000'000; // of one that hung: about what its node has before it is declared lost
};

// One chunk from one source. Valid until its completion was reported.
struct chunk_fetch {
  uint32_t shard = 0; // position in the list given to the plan
  uint32_t chunk = 0; // of the shard
  uint32_t source = 0;
  uint64_t offset_bytes = 0; // in the shard
  uint64_t length_bytes = 0;
  core::duration_us timeout_us = 0; // without a byte from the source
  std::optional<uint32_t> hedge{};  // it goes into that buffer, not into its place
};

enum class fetch_failure : uint8_t {
  source,    // the source is dead or refuses for good: nothing more from it
  range,     // it no longer has this shard, other shards of it stay usable
  cancelled, // nobody's fault: the chunk goes back, the source stays
  silent,    // the source brought nothing for as long as the fetch had
  busy,      // the source has too much to do
  busy_here, // the transport has: it takes another fetch after a completion
  lie,       // it is not what was asked for: nothing more from the source
  torn       // neither, but it was read so late that the source may have let go of it: its fault only after a few times
};

// Where a chunk is when one of its fetches has ended.
enum class chunk_place : uint8_t {
  target,    // landed there: to be verified
  buffer,    // of its hedge, and nobody writes into the target any more: to be copied there and verified
  elsewhere, // here, or with another fetch of it: what still fetches it for nothing is to be cancelled
  queue      // nowhere: it waits
};

enum class source_state : uint8_t { good, slow, busy, hung, liar, out };

class fetch_plan {
public:
  static constexpr uint32_t all_chunks = std::numeric_limits<uint32_t>::max();

  fetch_plan(const fetch_plan_options& options, std::span<const uint64_t> shard_sizes_bytes);

  // -- sources --------------------------------------------------------------------------------------------------------

  // Sources are numbered from 0 in the order of this call. rate_bps 0: assumed by kind.
  uint32_t add_source(source_kind kind, uint64_t rate_bps);
  // Of a shard that is still coming to the source, its first chunks alone, and later more.
  void add_holding(uint32_t source, uint32_t shard, uint32_t chunks = all_chunks);
  // Nothing more is asked from it. What is in flight from it completes by on_landed or on_failed like everything else.
  void lose_source(uint32_t source);
  source_state state(uint32_t source) const { return sources_[source].at; }
  bool is_lost(uint32_t source) const { return !is_usable(sources_[source]); }
  // Those that only hung are asked again, with more patience than the first time. False: there is none, or each has had
  // its chances.
  bool give_second_chances();

  // -- driving --------------------------------------------------------------------------------------------------------

  // The next chunk to ask for, which then counts as in flight; nothing when all windows are full or no holder is left.
  std::optional<chunk_fetch> next(core::time_us now);
  chunk_place on_landed(const chunk_fetch& fetch, core::time_us now);
  chunk_place on_failed(const chunk_fetch& fetch, fetch_failure failure, core::time_us now);
  // The one that brought a chunk which is in a buffer.
  const chunk_fetch& hedge_of(const chunk_fetch& fetch) const;
  // The checksum of a landed chunk was right. True: it was the last one of its shard.
  bool on_verified(const chunk_fetch& fetch);
  // It was wrong, a lie or torn: the chunk goes back to the queue.
  void on_bad(const chunk_fetch& fetch, fetch_failure why = fetch_failure::lie);

  // -- time -----------------------------------------------------------------------------------------------------------

  // Looks at every source. Those that crawl are out from now on: what is in flight from them is to be cancelled.
  std::vector<uint32_t> look(core::time_us now);
  // When to look again at the latest, the greatest time if never. What happens before moves it; look() moves it on.
  core::time_us next_look_us() const;

  // -- state ----------------------------------------------------------------------------------------------------------

  bool done() const { return verified_chunks_ == chunks_.size(); }
  uint32_t in_flight() const { return in_flight_; }
  // Shards whose next chunk nobody fetches and no usable source holds: more sources are needed.
  std::vector<uint32_t> starved_shards();
  // So many of its first chunks are verified.
  uint32_t first_verified(uint32_t shard) const { return shards_[shard].first_verified; }
  bool shard_done(uint32_t shard) const { return shards_[shard].verified == shards_[shard].chunks; }
  uint64_t rate_bps(uint32_t source) const { return sources_[source].rate.bps(); }
  // How often a source was considered for a chunk: what planning costs, whatever the size of the load.
  uint64_t considered() const { return considered_; }
  // More than one fetch of it may be in flight.
  bool is_hedged(const chunk_fetch& fetch) const { return find_hedge(fetch) != nullptr; }

private:
  enum class chunk_state : uint8_t { waiting, fetching, landed, verified };

  struct source_entry {
    source_kind kind{};
    rate_window rate;
    std::vector<uint32_t> holds; // by shard: how many of its chunks, from the first one on
    source_state at = source_state::good;
    bool chosen = false;         // one of those that are asked
    core::time_us until_us = 0;  // where it is busy or hung
    uint32_t refusals = 0;       // in a row
    bool refused_here = false;   // the last of them, by the transport
    uint32_t second_chances = 0; // since it has last landed a chunk
    uint32_t torn = 0;           // chunks
    uint64_t queued_bytes = 0;
    uint32_t queued_chunks = 0;
    core::time_us moved_us = 0; // when its window last became non-empty, or its last chunk landed
    std::vector<std::pair<uint32_t, uint32_t>> first_asks{}; // in flight, but for hedges: shard, chunk
  };
  // From when it is asked for until its buffer is free again.
  struct hedge_state {
    chunk_fetch fetch;
    bool open = false;
    bool landed = false;
    bool original_flies = false;
    bool settled = false; // the original has landed
  };
  struct shard_state {
    uint64_t size_bytes = 0;
    uint32_t first = 0; // of its chunks in chunks_
    uint32_t chunks = 0;
    uint32_t verified = 0;
    uint32_t first_verified = 0;
    uint32_t waiting = 0;
    bool has_parts = false;         // a source has some of its chunks only
    uint32_t fresh = 0;             // the first one that was never asked for
    std::vector<uint32_t> returned; // that were, and wait again; the first one last
  };

  static bool is_usable(const source_entry& one) { return one.at <= source_state::busy; }
  uint64_t length_of(uint32_t shard, uint32_t chunk) const;

  // -- who is asked ---------------------------------------------------------------------------------------------------
  void leave(source_entry& one, source_state then);
  void try_again(source_entry& one);
  bool is_wanted(const source_entry& one) const;
  void choose_if_due();
  std::vector<uint32_t> find_spares() const;
  void choose(uint32_t number);
  bool can_give(const source_entry& one, uint32_t shard) const;
  void find_holders(uint32_t shard);
  void next_has_changed(uint32_t shard);
  uint32_t window_of(const source_entry& one) const;
  core::duration_us finish_us(const source_entry& one, uint64_t length_bytes) const;
  std::optional<uint32_t> holder_with_room(const waiting_shards::holders& who, uint64_t length_bytes);

  // -- chunks ---------------------------------------------------------------------------------------------------------
  uint32_t first_waiting(const shard_state& of) const { return of.returned.empty() ? of.fresh : of.returned.back(); }
  chunk_fetch take(uint32_t shard, uint32_t source, core::time_us now);
  chunk_fetch ask(uint32_t shard, uint32_t chunk, uint32_t source, core::time_us now);
  core::duration_us patience_us(uint32_t shard, uint32_t source) const;
  void leave_window(const chunk_fetch& fetch, core::time_us now);
  chunk_place put_back(const chunk_fetch& fetch);
  chunk_place note_here(const chunk_fetch& fetch, chunk_place where);

  // -- hedges ---------------------------------------------------------------------------------------------------------
  std::optional<chunk_fetch> next_hedge(core::time_us now);
  bool is_worth_a_hedge(uint32_t shard) const;
  std::optional<uint32_t> hedging_holder(uint32_t shard, uint32_t chunk, core::duration_us within_us);
  const hedge_state* find_hedge(const chunk_fetch& fetch) const;
  hedge_state* find_hedge(const chunk_fetch& fetch);

  // -- states ---------------------------------------------------------------------------------------------------------
  void blame(source_entry& one, const chunk_fetch& fetch, fetch_failure failure, core::time_us now);
  void end_parking(source_entry& completed);
  core::duration_us slow_after_us(const source_entry& one) const;
  core::time_us next_hedge_us(const source_entry& slow) const;

  const fetch_plan_options options_;
  std::vector<source_entry> sources_;
  std::vector<uint32_t> chosen_;  // of sources_, rising
  std::vector<uint32_t> resting_; // that hung and will be asked again
  bool choice_is_due_ = false;    // who holds what, or can be asked, has changed
  std::vector<shard_state> shards_;
  waiting_shards waiting_; // their holders are the chosen ones
  std::vector<chunk_state> chunks_;
  std::vector<hedge_state> hedges_; // by buffer
  uint32_t in_flight_ = 0;
  uint32_t unverified_ = 0;
  size_t waiting_chunks_ = 0;
  uint32_t first_unfinished_ = 0; // shard
  core::time_us looked_us_ = 0;
  size_t verified_chunks_ = 0;
  uint64_t considered_ = 0;
};

} // namespace fastptm::policy
