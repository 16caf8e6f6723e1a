// A whole cluster in virtual time on one thread, with faults by seed, and what must hold all the while.
// The actors, scheduling core, fetch plan, loader, exporter tables, scrubber, host cache and publisher are those of
// production; control plane, data plane, disk and runner are virtual.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/error.hpp"

namespace fastptm::sim::world {

// How often each fault happens in a run; all begin and end within it, at moments that the seed chooses.
struct fault_counts {
  uint32_t kills = 0;       // of workers: gone at once, back under another incarnation
  uint32_t freezes = 0;     // of workers: stopped for 50 ms to 4 s
  uint32_t head_pauses = 0; // 50 ms to 2 s
  uint32_t head_deaths = 0; // gone with its host cache, all that was asked of it and all that it knew; back

  uint32_t slow_links = 0; // a node sends a hundredth of what it can
  uint32_t cuts = 0;       // no byte between two nodes
  uint32_t liars = 0;      // every chunk that a node sends has a bit wrong
  uint32_t refusals = 0;   // a node is too busy to send, or its own transport to fetch

  uint32_t late_wires = 0;     // whatever a worker and the head tell each other comes up to 300 ms late
  uint32_t stuck_wires = 0;    // it comes when all is over, after 50 ms to 3 s
  uint32_t broken_wires = 0;   // the connection breaks: what was on its way is lost
  uint32_t manifest_flips = 0; // every manifest that a worker is sent with an order has a bit wrong

  uint32_t arena_flips = 0;   // a bit of a resident shard
  uint32_t cache_flips = 0;   // a bit of the host cache
  uint32_t slow_disks = 0;    // the store's disk reads a hundredth of what it can
  uint32_t failing_disks = 0; // no read of it succeeds
  uint32_t object_rots = 0;   // a bit of a shard on the disk, until its model is published again
  uint32_t manifest_rots = 0; // a bit of a manifest on the disk, likewise

  uint32_t publications = 0; // of a new model, or of a known one again
};

// What a world can be made to lack, for tests that it notices: planted faults.
struct planted {
  bool checks_of_memory = false;     // nobody scrubs
  bool waiting_for_shards = false;   // a batch computes with whatever is in memory when it comes
  bool news_of_wrong_chunks = false; // nothing happens when a chunk comes that is wrong
  bool checks_of_copies = false;     // the store finds every copy in its host cache good
  bool restoration = false;          // publishing again leaves what is damaged on the disk
  bool shared_patience = false;      // a chunk that is late closes its connection
  bool progress = false;             // a load has its timeout in all
  bool pauses_when_busy = false;     // what a source refuses is asked for again without a pause
  bool excuses_of_the_head = false;  // it takes its own pauses for silence of its nodes
  bool digests_of_manifests = false; // nobody notices one that was damaged on the way
};

struct scenario {
  std::string name;
  uint32_t workers = 7;
  uint32_t models = 28;
  uint32_t asked_models = 0; // only the first ones are asked for; 0: all
  bool asks_evenly = false;  // else for a few of them often, for most now and then
  uint32_t requests = 900;
  core::duration_us asked_within_us = 0; // of the beginning; 0: all the time
  core::duration_us duration_us = 60'000'000;
  core::duration_us run_us = 4'000; // of a batch
  uint64_t link_bps = 60'000'000;   // of each node, all that it sends
  uint64_t arena_bytes = 112 << 10; // two sets and a bit
  uint64_t cache_bytes = 256 << 10; // five
  std::string strategy = "dxv";     // of the scheduler
  fault_counts faults = {};
  planted lacks = {};
};

const std::vector<scenario>& scenarios();
std::vector<std::string> scenario_names();
core::result<scenario> scenario_named(const std::string& name);

// What a run came to. The same scenario, seed and build give the same.
struct outcome {
  uint64_t seed = 0;
  uint64_t transcript = 0; // of all that happened, in its order
  uint64_t messages = 0, loads = 0, failed_loads = 0, answers = 0, refused = 0;
  uint64_t wrong_within_bound = 0; // answers from memory that changed by itself less than a round of checks ago
  uint64_t repaired = 0;           // shards
  core::duration_us virtual_us = 0;
  size_t planned_faults = 0;
  std::vector<std::string> faults; // those that were not left out, in words
  std::vector<std::string> violations;
};

// Models that worlds serve: written once, read by all. Owns the folder's contents while it lives.
class shelf {
public:
  // Publishes models into an empty folder, by the production importer; worlds that publish have theirs in it, too, and
  // wait for its disk: best in memory. With as many models as the largest scenario asks for.
  static core::result<std::unique_ptr<shelf>> make(const std::filesystem::path& folder, uint32_t models);
  virtual ~shelf() = default;
};

// `without`: of the faults that the seed plans, numbered in order of time, those that are left out.
outcome run(const scenario& what, uint64_t seed, shelf& models, const std::vector<size_t>& without = {});

} // namespace fastptm::sim::world
