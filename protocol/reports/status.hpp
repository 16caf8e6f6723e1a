// The state of a cluster: the rows of `fastptm status` and `models`, in the order and under the names that they print.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/fields.hpp"
#include "core/task.hpp"
#include "protocol/reports/loads.hpp"

namespace fastptm::core {

constexpr auto names_of(std::type_identity<task_kind>) {
  using enum task_kind;
  return std::array{to_string(embed), to_string(classify), to_string(generate)};
}

} // namespace fastptm::core

namespace fastptm::protocol {

enum class node_state : uint8_t {
  ready,   // renews its lease
  suspect, // has missed heartbeats; its lease still runs
  lost     // not joined, or its lease has run out
};
FASTPTM_NAMES(node_state, ready, suspect, lost)

struct planned_load {
  std::string model;
  load_reason reason = load_reason::request;
  int64_t remaining_us = 0; // estimated
};
FASTPTM_FIELDS(planned_load, model, reason, remaining_us)

struct lane_status {
  std::string model;     // empty: nothing runs
  uint32_t requests = 0; // of the batch
  int64_t remaining_us = 0;
};
FASTPTM_FIELDS(lane_status, model, requests, remaining_us)

struct device_status {
  std::string name; // "worker-0/host0", unique in the cluster
  std::string kind; // "host", "cuda"
  uint64_t arena_bytes = 0;
  uint64_t used_bytes = 0;
  std::vector<std::string> resident; // models with every shard on the device and verified
  bool cordoned = false;             // gets no new work: told by the directory
  std::vector<planned_load> loads;   // in the order they will be done: told by the scheduler, lanes too
  std::vector<lane_status> lanes;
  std::string hardware;         // "host avx512 x2": devices of equal hardware are taken to be equally fast
  uint64_t damaged_shards = 0;  // in its memory, since its node started: found by checking again or by who read them
  uint64_t repaired_shards = 0; // of those: loaded anew
};
FASTPTM_FIELDS(device_status, name, kind, arena_bytes, used_bytes, resident, cordoned, loads, lanes, hardware,
               damaged_shards, repaired_shards)

struct node_status {
  std::string name;
  uint32_t pid = 0;         // 0: never seen
  uint64_t incarnation = 0; // random, one per life of the process
  std::vector<std::string> roles;
  node_state state = node_state::lost;
  std::vector<device_status> devices;
};
FASTPTM_FIELDS(node_status, name, pid, incarnation, roles, state, devices)

// A published model, as its tenant sees it.
struct model_entry {
  std::string name; // "acme/minilm@1"
  std::string architecture;
  uint64_t bytes = 0;
  uint32_t shards = 0;
  core::task_kind task = core::task_kind::embed;
};
FASTPTM_FIELDS(model_entry, name, architecture, bytes, shards, task)

// As the operator sees it.
struct model_status : model_entry {
  uint32_t queued = 0; // requests that wait and can still be on time
  uint32_t late = 0;   // requests that wait and cannot
};
FASTPTM_MORE_FIELDS(model_status, model_entry, queued, late)

struct cluster_status {
  std::vector<node_status> nodes; // every configured node, alive or not, in the order of the configuration
  std::vector<model_status> models;
  std::vector<std::string> tenants;
};
FASTPTM_FIELDS(cluster_status, nodes, models, tenants)

} // namespace fastptm::protocol
