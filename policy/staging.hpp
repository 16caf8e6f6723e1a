// When a load asks the weight store for a shard, waits for other devices, or has no source left. Pure: time is given.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.hpp"

namespace fastptm::policy {

struct staging_options {
  // How long another device's load may be awaited that brings nothing, lest one that hangs is awaited for ever.
  core::duration_us await_us = 250'000;
  // A damaged object does not get better by reading it again; a lost connection does.
  uint32_t most_attempts = 3;
  // The load ends when no chunk was verified for so long.
  core::duration_us timeout_us = 30'000'000;
};

// The shards of one load by their numbers. A shard that no device has or brings is asked of the store at once; one that
// another device is loading is awaited. One that ran out of devices, or is awaited in vain, is looked for again, for the
// directory names a few holders only; then it is asked of the store, a few times. Before a load is given up it is looked
// for once more.
//
// Every shard is in exactly one state until it is verified; what happens to a verified one changes nothing.
class staging {
public:
  staging(const staging_options& options, uint32_t shards, core::time_us now);

  // -- what is heard of devices ---------------------------------------------------------------------------------------
  // One is a source of it now; false: it is here already.
  bool offered(uint32_t shard, core::time_us now);
  // One that is loading it is a source of a part of it; false: it is here already.
  bool partly_offered(uint32_t shard, core::time_us now);
  // Some device is loading it, and gets on with it if it is told anew; or none is any more: what is awaited no longer is
  // staged like what nobody has. What was awaited in vain is not awaited once more.
  void expected(uint32_t shard, bool is_expected, core::time_us now);
  // The directory has been asked for it again: what it knows is told, with all of the above.
  void looked(uint32_t shard, core::time_us now);
  // All of the above have been told; the shards to ask the store for now.
  std::vector<uint32_t> located();

  // -- what is heard of the store -------------------------------------------------------------------------------------
  // True: all of it was verified while the store still read it, and it may let it go at once.
  bool staged(uint32_t shard);
  // Its bytes from the store were wrong, and all that the store gave goes out with them: that the others are asked for
  // again does not count against them.
  void doubted(uint32_t shard);
  // The reason to give the load up, if nothing else is left to try: starved() says what is.
  std::optional<std::string> refused(uint32_t shard, std::string why);

  // -- what is heard of the load --------------------------------------------------------------------------------------
  // Nobody who has it can be asked. Look for others, ask the store, wait, or give up for a reason.
  enum class answer : uint8_t { look, ask, wait, give_up };
  answer starved(uint32_t shard);
  bool is_asked(uint32_t shard) const { return shards_[shard].at == state::asked; } // Of the store, which reads it.
  // Another device's load is to bring it.
  bool awaits(uint32_t shard) const { return shards_[shard].at == state::awaited; }
  const std::string& why(uint32_t shard) const { return shards_[shard].why; } // The last refusal.
  // True: the store has it in memory for this load, and may let it go.
  bool verified(uint32_t shard);

  // -- time -----------------------------------------------------------------------------------------------------------
  // The shards to look for now: no load that is awaited has brought anything.
  std::vector<uint32_t> overdue(core::time_us now);
  // No chunk was verified since `progress_us`, the last time that one was.
  bool timed_out(core::time_us progress_us, core::time_us now) const;
  // When to look at both again at the latest.
  core::time_us next_look_us(core::time_us progress_us) const;

private:
  enum class state : uint8_t { unknown, awaited, asked, staged, failed };
  struct shard_state {
    state at = state::unknown;
    uint32_t attempts = 0;
    bool offered = false;
    bool untried = false; // offered since it was looked for
    bool looking = false;
    bool looked_last = false; // the store cannot help, and it was looked for since
    bool awaited_in_vain = false;
    bool starved = false;
    bool verified = false;
    std::string why;
  };
  void ask(shard_state& shard);
  static answer look(shard_state& shard);
  static bool waits_for_a_load(const shard_state& shard);

  const staging_options options_;
  const core::time_us start_us_;
  core::time_us news_us_;
  std::vector<shard_state> shards_;
};

} // namespace fastptm::policy
