// What the time of one load was spent on: follows what each of its events had to wait for, back to the beginning.
//
// The rule: of all that goes on at an instant, it belongs to what led to the end of the load, the one thing without which
// the load would have ended sooner. So a disk that is read while earlier bytes are fetched has the time if the next fetch
// waits for it, and none if the fetches were what took so long.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "core/fields.hpp"
#include "weights/load/load_report.hpp"

namespace fastptm::weights {

// What a load can be waiting for.
enum class load_wait : uint8_t {
  plan,       // to hear where its shards are
  disk,       // the store reads a shard, or what was asked of it before
  await,      // another device's load brings a shard
  first_byte, // a source's first fetch, but for its bytes: to connect, to prove a secret, to ask
  fetch,      // bytes are on their way
  verify,     // checksums are computed
  busy,       // every source that could be asked has too much to do
  retry       // a source that was asked in vain: it failed, was late, or gave wrong bytes
};
FASTPTM_NAMES(load_wait, plan, disk, await, first_byte, fetch, verify, busy, retry)

// One thread at a time; no clock of its own. Grows by an entry of 24 bytes for every event that it is told of: a few for
// each chunk of the load.
class stage_clock {
public:
  using moment = uint32_t; // an event of the load, by its number
  static constexpr moment beginning = 0;

  explicit stage_clock(core::time_us start_us) { moments_.push_back({start_us, beginning, load_wait::plan}); }

  // Something happens now that had waited for `what` since `cause` had happened. Requires: that was not later.
  moment after(moment cause, load_wait what, core::time_us now);
  // It is known by now what came first of that wait: the wait of `of` is what remains. Requires: it was as long.
  void split(moment of, load_wait what, core::duration_us first_us);
  core::time_us at_us(moment of) const { return moments_[of].at_us; }
  core::duration_us waited_us(moment of) const { return at_us(of) - at_us(moments_[of].cause); }
  // Of two events on which a third depends: it could not happen before that one.
  moment later(moment one, moment other) const { return at_us(other) > at_us(one) ? other : one; }

  // What led to that event since the beginning: one after the other without gap or overlap, neighbours of different
  // names. Where these are more than `most` they are told in groups: what each stage took of the group's time in all.
  std::vector<load_stage> path_to(moment last, size_t most) const;

private:
  struct entry {
    core::time_us at_us = 0;
    moment cause = beginning;
    load_wait what{};
  };
  std::vector<entry> moments_;
};

// The name of what took the most of the time, all stages of a name together; of equals the first. Empty: nothing took any.
std::string_view longest_of(const std::vector<load_stage>& stages);

} // namespace fastptm::weights
