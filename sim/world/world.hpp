// A whole cluster in virtual time on one thread, with faults by seed, and what must hold all the while.
// The actors, scheduling core, fetch plan, loader, exporter tables, scrubber and host cache are those of production; network,
// disk and runner are virtual.
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
  uint32_t slow_links = 0;  // a node sends a hundredth of what it can
  uint32_t cuts = 0;        // no byte between two nodes
  uint32_t liars = 0;       // every chunk that a node sends has a bit wrong
  uint32_t arena_flips = 0; // a bit of a resident shard
  uint32_t cache_flips = 0; // a bit of the host cache
};

// What a world can be made to lack, for tests that it notices: planted faults.
struct planted {
  bool nobody_scrubs = false;
  bool runs_do_not_wait = false; // a batch computes with whatever is in memory when it comes
};

struct scenario {
  std::string name;
  uint32_t workers = 7;
  uint32_t models = 28;
  uint32_t requests = 900;
  core::duration_us duration_us = 60'000'000;
  uint64_t arena_bytes = 4 << 20;
  uint64_t cache_bytes = 8 << 20;
  fault_counts faults = {};
  planted lacks = {};
};

// steady, rolling_kill, slow_link, partition, head_pause, liar, bit_rain, everything: the names of scenarios.
const std::vector<scenario>& scenarios();
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

// Models that worlds serve: written once, read by all. Owns the folder.
class shelf {
public:
  // Publishes models into an empty folder, by the production importer.
  static core::result<std::unique_ptr<shelf>> make(const std::filesystem::path& folder, uint32_t models);
  virtual ~shelf() = default;
};

// `without`: of the faults that the seed plans, numbered in order of time, those that are left out.
outcome run(const scenario& what, uint64_t seed, shelf& models, const std::vector<size_t>& without = {});

} // namespace fastptm::sim::world
