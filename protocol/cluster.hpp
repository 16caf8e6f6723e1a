// What nodes say about themselves: joining, leases, holdings, losses, and the rows of `fastptm status`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/loading.hpp"

namespace fastptm::protocol {

// Raised with every change of anything in protocol/messages or interfaces.hpp: two builds that differ do not join.
constexpr uint32_t protocol_version = 6;

struct model_key {
  core::model_id id;
  std::string name;
};
template <class I> typename I::result_type inspect(I& f, model_key& x) {
  return fields(f, "model_key", x.id, x.name);
}

// A device as its worker describes it, when joining and after every change.
struct device_row {
  std::string name;     // "worker-0/host0", unique in the cluster
  std::string kind;     // "host", "cuda"
  std::string hardware; // "host avx512 x2": devices of equal hardware are taken to be equally fast
  uint64_t arena_bytes = 0;
  uint64_t used_bytes = 0;
  bool cordoned = false;           // filled in by the directory
  std::vector<model_key> resident; // complete sets only
};
template <class I> typename I::result_type inspect(I& f, device_row& x) {
  return fields(f, "device_row", x.name, x.kind, x.hardware, x.arena_bytes, x.used_bytes, x.cordoned, x.resident);
}

struct lease_terms {
  registration_id registration;
  int64_t heartbeat_us = 0;
  int64_t lease_us = 0;
};
template <class I> typename I::result_type inspect(I& f, lease_terms& x) {
  return fields(f, "lease_terms", x.registration, x.heartbeat_us, x.lease_us);
}

struct holdings_added {
  registration_id registration;
  std::string device;
  std::vector<shard_location> shards; // at most holdings_per_message
};
template <class I> typename I::result_type inspect(I& f, holdings_added& x) {
  return fields(f, "holdings_added", x.registration, x.device, x.shards);
}

struct holdings_dropped {
  registration_id registration;
  std::string device;
  std::vector<core::digest> shards; // at most holdings_per_message
};
template <class I> typename I::result_type inspect(I& f, holdings_dropped& x) {
  return fields(f, "holdings_dropped", x.registration, x.device, x.shards);
}

constexpr size_t holdings_per_message = 512;

struct locate_request {
  std::string node; // who asks: its own holdings are not listed
  std::string device;
  core::load_id load;
  std::vector<core::digest> shards;
};
template <class I> typename I::result_type inspect(I& f, locate_request& x) {
  return fields(f, "locate_request", x.node, x.device, x.load, x.shards);
}

// One live holder of some of the shards asked for.
struct holder_row {
  peer_row peer;
  std::string device;
  std::vector<shard_location> shards;
};
template <class I> typename I::result_type inspect(I& f, holder_row& x) {
  return fields(f, "holder_row", x.peer, x.device, x.shards);
}

struct holder_list {
  std::vector<holder_row> rows;
  // Nobody near holds them yet, but an earlier load of another node is bringing them: whoever waits for that one spares
  // the host a read. Only earlier loads count, so nobody waits in a circle.
  std::vector<core::digest> expected;
};
template <class I> typename I::result_type inspect(I& f, holder_list& x) {
  return fields(f, "holder_list", x.rows, x.expected);
}

// A node's lease has ended: nothing of it may be used any more, its bytes neither.
struct node_lost {
  std::string node;
  uint64_t incarnation = 0;
};
template <class I> typename I::result_type inspect(I& f, node_lost& x) {
  return fields(f, "node_lost", x.node, x.incarnation);
}

struct device_lost {
  registration_id registration;
  std::string device;
};
template <class I> typename I::result_type inspect(I& f, device_lost& x) {
  return fields(f, "device_lost", x.registration, x.device);
}

// A device has given up a set that it was not told to: its free bytes were too scattered for another.
struct set_dropped {
  registration_id registration;
  std::string device;
  core::model_id model;
};
template <class I> typename I::result_type inspect(I& f, set_dropped& x) {
  return fields(f, "set_dropped", x.registration, x.device, x.model);
}

enum class node_state : uint8_t { ready, suspect, lost };
std::string_view to_string(node_state of) noexcept;

struct node_row {
  std::string name;
  uint32_t pid = 0; // 0: never seen
  uint64_t incarnation = 0;
  std::vector<std::string> roles;
  node_state state = node_state::lost;
  std::vector<device_row> devices;
};
template <class I> typename I::result_type inspect(I& f, node_row& x) {
  return fields(f, "node_row", x.name, x.pid, x.incarnation, x.roles, x.state, x.devices);
}

struct node_list {
  std::vector<node_row> rows;
};
template <class I> typename I::result_type inspect(I& f, node_list& x) {
  return fields(f, "node_list", x.rows);
}

} // namespace fastptm::protocol
