// Fetches by memcpy from mapped memory of nodes on this host: mapped once, copied by the node's copy pool.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "core/mutex.hpp"
#include "transport/cluster_secret.hpp"
#include "transport/copy_pool.hpp"
#include "transport/fetcher.hpp"
#include "transport/same_host/mapper.hpp"

namespace fastptm::transport::same_host {

// Copies and returns the checksum of what now lies at the target.
using copy_function = uint64_t (*)(std::byte* target, const std::byte* source, uint64_t size_bytes);

struct backend_options {
  std::string secret;                     // the cluster's
  std::shared_ptr<copy_pool> copiers;     // required
  copy_function copy = nullptr;           // null: plain memcpy, results without checksum
  core::duration_us connect_us = 250'000; // per message with an owner
  uint32_t fetches_in_flight = 256;       // beyond it fetch() answers busy
};

// Any thread, as fetcher says. Only mapping can hang, and has its own bound (connect_us): a copy from mapped memory
// takes a millisecond whatever its owner does, so a fetch's deadline is not held against it.
class backend final : public fetcher {
public:
  explicit backend(backend_options options);
  ~backend() override; // finishes running copies, fails the others as cancelled

  core::result<fetch_id> fetch(const peer_address& peer, const fetch_request& request, fetch_done done) override;
  void cancel(fetch_id id) override;
  void close_peer(std::string_view node, uint64_t incarnation) override;
  path path_to(const peer_address&) const override { return path::map; }

private:
  struct job {
    fetch_id id;
    fetch_request request;
    core::time_us called_us = 0;
    fetch_done done;
    std::shared_ptr<const mapping> from;
  };
  using place = std::tuple<std::string, uint64_t, uint64_t, uint64_t>; // node, incarnation, region, generation
  struct mapped {
    std::shared_ptr<const mapping> memory; // null while it is being mapped
    std::vector<job> waiting;
  };
  struct map_job {
    peer_address peer;
    exported region;
  };

  // Both return what waited for mappings that are forgotten. A node that has started again never comes back under its
  // earlier incarnation, and its memory would stay in this process for ever.
  std::vector<job> start_mapping(const peer_address& peer, exported region) FASTPTM_REQUIRES(mutex_);
  template <class Which> std::vector<job> forget(Which is_meant) FASTPTM_REQUIRES(mutex_);
  void run_mapper();
  void touch_all(const mapping& memory);
  void queue_copy(job what) FASTPTM_REQUIRES(mutex_);
  void copy_next();
  void copy(job& what);
  void finish(const job& what, core::result<fetched> outcome);

  const backend_options options_;
  const cluster_secret secret_;
  core::monotonic_clock clock_;

  // Between callers, the mapper and the copy threads; no call-out and no system call under it.
  core::mutex mutex_;
  core::condition map_arrived_;
  core::condition turns_over_;
  std::map<place, mapped> mapped_ FASTPTM_GUARDED_BY(mutex_);
  std::deque<job> copies_ FASTPTM_GUARDED_BY(mutex_);
  std::deque<map_job> map_jobs_ FASTPTM_GUARDED_BY(mutex_);
  uint64_t last_fetch_ FASTPTM_GUARDED_BY(mutex_) = 0;
  uint32_t outstanding_ FASTPTM_GUARDED_BY(mutex_) = 0;
  uint32_t turns_ FASTPTM_GUARDED_BY(mutex_) = 0; // asked from the pool: one for every copy that was ever queued
  std::atomic<bool> stopping_ = false;            // written under the lock

  std::thread mapper_;
};

} // namespace fastptm::transport::same_host
