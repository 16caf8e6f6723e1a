// A network inside one process whose nodes can be killed, hung, slowed and made to lie: for tests and the simulator.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "transport/fetcher.hpp"

namespace fastptm::transport::loopback {

// What is wrong with a node; everything may be changed while fetches are under way.
struct faults {
  bool dead = false;                // its fetches fail, like those of a closed connection
  bool hung = false;                // it delivers nothing
  uint64_t rate_bps = 0;            // bytes per second it delivers one after another; 0: at once
  uint64_t corrupt_every = 0;       // every n-th chunk it delivers has one byte wrong; 0: none
  bool torn = false;                // and was read so late that it may be torn
  core::duration_us latency_us = 0; // until a fetch begins to deliver
  bool busy = false;                // it refuses what is asked of it
};

// Deterministic: nothing happens but inside progress(), in the order of due times and then of calls. One thread.
class network {
public:
  explicit network(const core::clock& clock) : clock_(clock) {}

  // The exporter outlives the network.
  void add_node(std::string name, uint64_t incarnation, exporter& exports);
  faults& faults_of(const std::string& name);

  // Completes what is due; returns how many fetches that were.
  size_t progress();
  // When the next fetch is due; nothing while there is none.
  std::optional<core::time_us> next_due_us() const;

private:
  friend class backend;
  struct node {
    uint64_t incarnation = 0;
    exporter* exports = nullptr;
    faults wrong;
    core::time_us free_at_us = 0; // its link, when it has a rate
    core::time_us heard_us = 0;   // it has last delivered something
    uint64_t delivered = 0;
  };
  struct flight {
    uint64_t id = 0;
    std::string from;
    uint64_t incarnation = 0;
    fetch_request request;
    core::time_us called_us = 0;
    core::time_us begins_us = 0; // from then on bytes come, of this one or of those before it
    core::time_us due_us = 0;
    fetch_done done;
    core::errc ends_as{}; // of a cancelled one
    bool ended = false;
  };

  core::result<fetched> deliver(const flight& one);
  core::time_us end_of(const flight& one) const;

  const core::clock& clock_;
  std::map<std::string, node> nodes_;
  std::deque<flight> flights_;
  uint64_t last_id_ = 0;
};

// One node's fetcher on a network; several may share it.
class backend final : public fetcher {
public:
  explicit backend(network& on) : network_(on) {}

  core::result<fetch_id> fetch(const peer_address& peer, const fetch_request& request, fetch_done done) override;
  void cancel(fetch_id id) override;
  void close_peer(std::string_view node, uint64_t incarnation) override;
  path path_to(const peer_address&) const override { return path::loopback; }

private:
  network& network_;
};

} // namespace fastptm::transport::loopback
