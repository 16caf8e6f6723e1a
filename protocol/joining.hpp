// The messages of joining, which carry handles of actors.
#pragma once

#include "protocol/interfaces.hpp"

namespace fastptm::protocol {

struct joining_device {
  std::string name; // "worker-0/host0"
  gpu_worker_actor worker;
};
FASTPTM_FIELDS(joining_device, name, worker)

// `proof` is join_proof() of the nonce that hello answered: shows that the node knows the cluster's secret.
struct join_request {
  uint32_t version = 0;
  std::string proof;
  peer_row peer; // name and incarnation of the node, and where its memory can be read
  uint32_t pid = 0;
  std::vector<std::string> roles;
  std::vector<joining_device> devices;
  supervisor_actor supervisor;
};
FASTPTM_FIELDS(join_request, version, proof, peer, pid, roles, devices, supervisor)

// What a path can carry at most, as measured by the head: bytes per second.
struct link_rate {
  std::string path; // map, cma, tcp, io_uring
  uint64_t rate_bps = 0;
};
FASTPTM_FIELDS(link_rate, path, rate_bps)

struct join_reply {
  lease_terms lease;
  directory_actor directory;
  peer_row store; // where the weight store's host cache can be read
  scheduler_actor scheduler;
  weight_store_actor weight_store;
  std::vector<link_rate> links;
};
FASTPTM_FIELDS(join_reply, lease, directory, store, scheduler, weight_store, links)

// What a gpu_worker needs to know of the cluster that its node has joined.
struct attach_order {
  registration_id registration;
  directory_actor directory;
  scheduler_actor scheduler;
  weight_store_actor weight_store;
  peer_row store;
  std::vector<link_rate> links;
};
FASTPTM_FIELDS(attach_order, registration, directory, scheduler, weight_store, store, links)

struct device_joined {
  registration_id registration;
  std::string node;
  std::string boot_id; // devices of one host are near each other
  device_row row;
  gpu_worker_actor worker;
};
FASTPTM_FIELDS(device_joined, registration, node, boot_id, row, worker)

} // namespace fastptm::protocol
