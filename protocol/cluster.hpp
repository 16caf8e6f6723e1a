// What nodes say about themselves: joining, leases, holdings, losses.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "protocol/loading.hpp"
#include "protocol/reports/status.hpp"

namespace fastptm::protocol {

// Raised with every change of anything in protocol/messages or interfaces.hpp: two builds that differ do not join.
constexpr uint32_t protocol_version = 13;

struct model_key {
  core::model_id id;
  std::string name;
};
FASTPTM_FIELDS(model_key, id, name)

// A device as its worker describes it, when joining and after every change.
struct device_row : device_status {
  std::vector<core::model_id> resident_ids;         // of `resident`
  std::vector<std::vector<uint64_t>> offsets_bytes; // of their shards in the arena, as in each set's manifest
};
FASTPTM_MORE_FIELDS(device_row, device_status, resident_ids, offsets_bytes)

struct lease_terms {
  registration_id registration;
  int64_t heartbeat_us = 0;
  int64_t lease_us = 0;
};
FASTPTM_FIELDS(lease_terms, registration, heartbeat_us, lease_us)

struct holdings_added {
  registration_id registration;
  std::string device;
  std::vector<shard_location> shards; // at most holdings_per_message
};
FASTPTM_FIELDS(holdings_added, registration, device, shards)

struct holdings_dropped {
  registration_id registration;
  std::string device;
  std::vector<core::digest> shards; // at most holdings_per_message
};
FASTPTM_FIELDS(holdings_dropped, registration, device, shards)

constexpr size_t holdings_per_message = 512;

struct locate_request {
  std::string device; // that asks: holdings of its node are not listed
  core::load_id load;
  std::vector<core::digest> shards;
};
FASTPTM_FIELDS(locate_request, device, load, shards)

// One live holder of some of the shards asked for.
struct holder_row {
  peer_row peer;
  std::string device;
  std::vector<shard_location> shards;
};
FASTPTM_FIELDS(holder_row, peer, device, shards)

// What is new since the last one. A few holders of each shard, near ones first, below message_limit_bytes.
struct holder_list {
  std::vector<holder_row> rows;
  // An earlier load of another node is bringing them, or they follow in the next list: whoever waits spares the host a
  // read. A row ends that for its shards. Only earlier loads count, so nobody waits in a circle.
  std::vector<core::digest> expected;
  std::vector<core::digest> not_expected; // any more: that load has ended without them, and there is no other
};
FASTPTM_FIELDS(holder_list, rows, expected, not_expected)

// A node's lease has ended: nothing of it may be used any more, its bytes neither.
struct node_lost {
  std::string node;
  uint64_t incarnation = 0;
};
FASTPTM_FIELDS(node_lost, node, incarnation)

// Those that were lost together: a rack is one message to each of the others.
struct nodes_lost {
  std::vector<node_lost> nodes; // at most losses_per_message
};
FASTPTM_FIELDS(nodes_lost, nodes)

constexpr size_t losses_per_message = 256;

struct device_lost {
  registration_id registration;
  std::string device;
};
FASTPTM_FIELDS(device_lost, registration, device)

struct node_list {
  std::vector<node_status> rows;
};
FASTPTM_FIELDS(node_list, rows)

} // namespace fastptm::protocol
