// The asking side: connections to sources, fetches in flight, their deadlines.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/clock.hpp"
#include "transport/cluster_secret.hpp"
#include "transport/network_engine.hpp"
#include "transport/ucx/worker.hpp"

namespace fastptm::transport::ucx {

// Driven by the backend on the pump's thread.
//
// A fetch that was sent has no handle in UCX that could fail, so the error handler of its endpoint, its deadline or the
// source's reply end it here. Only while UCX receives into the target (`receiving`) must an end wait for UCX.
class fetching {
public:
  fetching(worker& by, const cluster_secret& secret, bool may_use_cma, core::duration_us connect_us,
           memory_reading reading);
  ~fetching();

  core::result<void> start();

  void fetch(wanted_fetch what);
  void cancel(transport::fetch_id id);
  void close_peer(const std::string& node, uint64_t incarnation);
  // A read of a peer's memory is over.
  void on_read(uint64_t id, bool complete, std::optional<uint64_t> checksum);

  bool progress(core::time_us now);
  core::duration_us until_deadline_us(core::time_us now) const;
  // An answer is due within microseconds, and it is this thread that must take it.
  bool receives_here() const;

  // Fails everything; progress() then ends it.
  void close_all();
  bool empty() const { return connections_.empty() && closing_.empty() && fetches_.empty(); }

  // What connected peers' bytes travel by: noted for other threads by the backend.
  std::function<void(const std::string& node, path way)> on_path;

private:
  enum class handshake : uint8_t { greeting, proving, ready, closing };

  struct connection {
    uint64_t number = 0;
    peer_address peer;
    endpoint to;
    handshake at = handshake::greeting;
    path way = path::tcp;
    core::time_us since_us = 0;
    uint64_t session = 0;
    int64_t pid = 0; // of the source, where way is cma
    nonce asker{};
    core::time_us heard_us = 0; // something came from it, or a read of its memory ended
    unsigned reading = 0;       // how many threads read its memory
    core::error why;            // it is closing
    std::unordered_set<uint64_t> fetches;
  };
  struct flight {
    wanted_fetch what;
    connection* from = nullptr;
    fetching* here = nullptr;
    bool asked = false;
    core::time_us asked_us = 0;
    bool receiving = false; // bytes may be arriving in the target
  };

  static ucs_status_t on_challenge(void* self, const void* header, size_t header_bytes, void* data, size_t data_bytes,
                                   const ucp_am_recv_param_t* param);
  static ucs_status_t on_verdict(void* self, const void* header, size_t header_bytes, void* data, size_t data_bytes,
                                 const ucp_am_recv_param_t* param);
  static ucs_status_t on_data(void* self, const void* header, size_t header_bytes, void* data, size_t data_bytes,
                              const ucp_am_recv_param_t* param);
  static void on_received(void* request, ucs_status_t status, size_t length, void* user_data);

  core::result<connection*> connection_to(const peer_address& peer);
  connection* find(uint64_t number);
  void answer(connection& to, const wire::challenge& message);
  void ask(flight& one);
  ucs_status_t receive(flight& one, void* data, uint64_t length_bytes, bool rendezvous);
  void read_memory(flight& one, uint64_t address);
  bool reads_memory(const connection& from) const { return from.way == path::cma && reading_.pool; }
  void finish(flight& one, core::result<void> outcome, std::optional<uint64_t> checksum = std::nullopt);
  void fail(connection& which, core::error why);
  core::time_us deadline_us(const flight& one) const;
  bool check_deadlines(core::time_us now);

  worker& worker_;
  const cluster_secret& secret_;
  const bool may_use_cma_;
  const core::duration_us connect_us_;
  const memory_reading reading_;
  core::monotonic_clock clock_;

  uint64_t last_connection_ = 0;
  std::unordered_map<std::string, std::unique_ptr<connection>> connections_; // by node
  std::vector<std::unique_ptr<connection>> closing_;
  std::vector<uint64_t> failed_; // numbers, noted inside progress
  std::unordered_map<uint64_t, std::unique_ptr<flight>> fetches_;
  core::time_us next_check_us_ = 0;
};

} // namespace fastptm::transport::ucx
