// What moves weights: load and run orders to a device, where shards are, and what a load reports about itself.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "protocol/payload.hpp"
#include "protocol/reports/loads.hpp"

namespace fastptm::protocol {

// A node's place in the cluster for one registration; a node that comes back gets a new one. Orders carry it: a device
// takes none from a life of its node that is over.
using registration_id = core::strong_id<struct registration_tag, uint64_t>;

// Where the bytes of one shard lie in a region that its owner exports.
struct shard_location {
  core::digest shard;
  uint64_t region = 0;
  uint64_t generation = 0;
  uint64_t offset_bytes = 0;
  uint64_t size_bytes = 0;
  uint32_t chunks = all_chunks; // of its first ones: it is still coming there

  static constexpr uint32_t all_chunks = 0xffffffff;
  bool is_whole() const { return chunks == all_chunks; }
};
FASTPTM_FIELDS(shard_location, shard, region, generation, offset_bytes, size_bytes, chunks)

// How a node's exported memory is reached; transport/address.hpp has the same fields.
struct peer_row {
  std::string node;
  uint64_t incarnation = 0;
  std::string boot_id;
  std::string same_host_socket;
  std::string data_host;
  uint16_t data_port = 0;
};
FASTPTM_FIELDS(peer_row, node, incarnation, boot_id, same_host_socket, data_host, data_port)

// From the scheduler to a device: make this model resident. Answered when every shard is verified.
struct load_order {
  registration_id registration;
  core::load_id load;
  core::model_id model;
  std::string name;
  payload manifest;             // weights::encode
  core::digest manifest_digest; // as the catalogue has it: what came is compared with it
  load_reason reason = load_reason::request;
  int64_t timeout_us = 0;
  std::vector<uint64_t> offsets_bytes; // where its shards are planned to lie in the arena, as in the manifest
  int64_t decided_us = 0;              // what the scheduler took, from the first event that made it decide
};
FASTPTM_FIELDS(load_order, registration, load, model, name, manifest, manifest_digest, reason, timeout_us,
               offsets_bytes, decided_us)

struct load_reply {
  uint64_t bytes_moved = 0;
  int64_t wall_us = 0;
};
FASTPTM_FIELDS(load_reply, bytes_moved, wall_us)

// From the scheduler to a device: remove this set.
struct evict_order {
  registration_id registration;
  core::model_id model;
};
FASTPTM_FIELDS(evict_order, registration, model)

// Inputs of a batch, ahead of its run_order and in parts below message_limit_bytes.
struct batch_inputs {
  core::batch_id batch;
  std::vector<payload> inputs;
};
FASTPTM_FIELDS(batch_inputs, batch, inputs)

// From the scheduler to a device: run the batch whose inputs were sent. The model may still be loading.
struct run_order {
  registration_id registration;
  core::batch_id batch;
  core::model_id model;
  uint32_t inputs = 0;    // how many must have arrived
  int64_t give_up_us = 0; // bound on waiting for shards
};
FASTPTM_FIELDS(run_order, registration, batch, model, inputs, give_up_us)

// Outputs of a batch in the order of its inputs, ahead of its run_reply and in parts below message_limit_bytes.
struct batch_outputs {
  core::batch_id batch;
  std::vector<payload> outputs;
};
FASTPTM_FIELDS(batch_outputs, batch, outputs)

struct run_reply {
  core::batch_id batch;
  uint32_t outputs = 0; // how many were sent
  int64_t run_us = 0;
  int64_t waited_us = 0; // of that for shards
  int64_t began_us = 0;  // on the clock of the device's machine
};
FASTPTM_FIELDS(run_reply, batch, outputs, run_us, waited_us, began_us)

// From a transfer to a weight store: keep this shard of this set in the host cache until released.
struct stage_request {
  core::digest manifest;
  core::digest shard;
  bool only_if_cached = false; // do not read the disk: another source has it
};
FASTPTM_FIELDS(stage_request, manifest, shard, only_if_cached)

// From a weight store to the transfer that has asked for the shard, while it is being read: its first chunks are there.
struct stage_progress {
  shard_location location;
  std::string disk_path; // as in the reply
};
FASTPTM_FIELDS(stage_progress, location, disk_path)

// Damage is a fact for the report, so a failed staging is a value too. What was told before it stays until released.
struct stage_reply {
  bool staged = false;
  std::string error;       // why not
  shard_location location; // in the slab of the weight store's node
  bool was_cached = false; // false: it was read from disk for this request
  uint32_t bad_chunks = 0; // found while reading
  int64_t read_us = 0;
  std::string disk_path; // how this store reads its disk: io_uring or pread
};
FASTPTM_FIELDS(stage_reply, staged, error, location, was_cached, bad_chunks, read_us, disk_path)

// From whoever has met wrong bytes of a shard to whoever holds that copy and lets others read it: look at it again.
struct suspect {
  shard_location copy;
  std::string noticed_by; // a device
  uint32_t chunk = 0;
  uint64_t expected = 0; // its checksum
  uint64_t found = 0;
};
FASTPTM_FIELDS(suspect, copy, noticed_by, chunk, expected, found)

} // namespace fastptm::protocol
