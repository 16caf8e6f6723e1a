// The messages of joining, which carry handles of actors.
#pragma once

#include "protocol/interfaces.hpp"

namespace fastptm::protocol {

struct joining_device {
  std::string name; // "worker-0/host0"
  gpu_worker_actor worker;
};
template <class I> typename I::result_type inspect(I& f, joining_device& x) {
  return fields(f, "joining_device", x.name, x.worker);
}

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
template <class I> typename I::result_type inspect(I& f, join_request& x) {
  return fields(f, "join_request", x.version, x.proof, x.peer, x.pid, x.roles, x.devices, x.supervisor);
}

// What a path can carry at most, as measured by the head: bytes per second.
struct link_rate {
  std::string path; // map, cma, tcp, io_uring
  uint64_t rate_bps = 0;
};
template <class I> typename I::result_type inspect(I& f, link_rate& x) {
  return fields(f, "link_rate", x.path, x.rate_bps);
}

struct join_reply {
  lease_terms lease;
  peer_row store; // where the weight store's host cache can be read
  scheduler_actor scheduler;
  weight_store_actor weight_store;
  std::vector<link_rate> links;
};
template <class I> typename I::result_type inspect(I& f, join_reply& x) {
  return fields(f, "join_reply", x.lease, x.store, x.scheduler, x.weight_store, x.links);
}

// What a gpu_worker needs to know of the cluster that its node has joined.
struct attach_order {
  registration_id registration;
  directory_actor directory;
  scheduler_actor scheduler;
  weight_store_actor weight_store;
  peer_row store;
  std::vector<link_rate> links;
};
template <class I> typename I::result_type inspect(I& f, attach_order& x) {
  return fields(f, "attach_order", x.registration, x.directory, x.scheduler, x.weight_store, x.store, x.links);
}

struct device_joined {
  registration_id registration;
  std::string node;
  std::string boot_id; // devices of one host are near each other
  device_row row;
  gpu_worker_actor worker;
};
template <class I> typename I::result_type inspect(I& f, device_joined& x) {
  return fields(f, "device_joined", x.registration, x.node, x.boot_id, x.row, x.worker);
}

} // namespace fastptm::protocol
