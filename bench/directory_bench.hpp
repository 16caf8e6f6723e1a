// How many messages the directory takes and sends, and how long it is busy with them: `fastptm bench directory`.
#pragma once

#include <cstdint>

#include "core/clock.hpp"

namespace fastptm::bench {

struct directory_bench_options {
  uint32_t loads = 100; // of one set, on a device each, at the same time
  uint32_t shards = 14; // that it has
  // The second figure: so many nodes of one device stand, hold shards together, and some of them end at once.
  uint32_t nodes = 10'000;
  uint32_t holdings = 1'000'000;
  uint32_t lost = 250;
};

struct directory_bench_result {
  uint64_t messages = 0;              // that the directory took or sent while the set was loaded
  uint64_t most_message_bytes = 0;    // of lists of holders
  core::duration_us directory_us = 0; // processor time of the directory meanwhile
  core::duration_us virtual_us =
      0;                   // until every device has the set, where a link takes 20 ms for a shard of five chunks
  uint64_t from_store = 0; // shards that the store gave
  uint64_t loss_messages = 0;
  core::duration_us loss_us = 0; // processor time of the directory until everybody has been told
  uint64_t failed = 0;           // loads without an end, losses that were not told
};

// The real directory in an actor system in virtual time. Loads are doubles that ask, wait and report as a transfer and
// its gpu_worker do, with the real policy/staging; bytes are time on a link of the source and of the device.
directory_bench_result run_directory_bench(const directory_bench_options& options);

} // namespace fastptm::bench
