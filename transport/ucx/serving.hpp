// The source side: accepts connections, has peers prove the secret, sends the ranges they ask for.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

#include "core/clock.hpp"
#include "transport/cluster_secret.hpp"
#include "transport/exporter.hpp"
#include "transport/ucx/limits.hpp"
#include "transport/ucx/worker.hpp"

namespace fastptm::transport::ucx {

// Driven by the backend on the pump's thread.
class serving {
public:
  serving(worker& by, exporter& exports, const cluster_secret& secret, uint64_t incarnation, serving_limits limits);
  ~serving();

  core::result<uint16_t> listen(const std::string& host, uint16_t port);

  // Sends what is due, cuts off who is late, frees what is closed. True: did something.
  bool progress(core::time_us now);
  core::duration_us until_deadline_us(core::time_us now) const;

  // Cuts off everybody; progress() then ends it. True: nobody is left.
  void close_all();
  bool empty() const { return sessions_.empty() && closing_.empty(); }

private:
  // A range that is pinned for a peer.
  struct service {
    remote_range range;
    core::time_us since_us = 0;
    bool granted = false; // the asker reads it; else UCX sends it
  };
  struct session {
    endpoint to;
    uint64_t number = 0; // also what a prober reads out of this process
    uint64_t connection = 0;
    nonce asker{}, source{};
    bool greeted = false;
    bool proven = false;
    bool ready = false; // in ready_
    core::time_us since_us = 0;
    std::deque<wire::fetch> queue;
    std::unordered_map<uint64_t, service> under_way; // by the asker's id
  };

  static void on_connection(ucp_conn_request_h request, void* self);
  static ucs_status_t on_hello(void* self, const void* header, size_t header_bytes, void* data, size_t data_bytes,
                               const ucp_am_recv_param_t* param);
  static ucs_status_t on_answer(void* self, const void* header, size_t header_bytes, void* data, size_t data_bytes,
                                const ucp_am_recv_param_t* param);
  static ucs_status_t on_fetch(void* self, const void* header, size_t header_bytes, void* data, size_t data_bytes,
                               const ucp_am_recv_param_t* param);
  static ucs_status_t on_release(void* self, const void* header, size_t header_bytes, void* data, size_t data_bytes,
                                 const ucp_am_recv_param_t* param);
  void greet(session& who, const wire::hello& message);
  void admit(session& who, const wire::answer& message);
  void accept(const wire::fetch& message);
  session* find(uint64_t number);

  void serve(session& who);
  void start(session& who, const wire::fetch& wanted);
  void end(session& who, uint64_t id);
  void expire_grants(session& who, core::time_us before_us);
  void refuse(session& who, const wire::fetch& wanted, core::errc why);
  void cut_off(uint64_t number);
  bool check_deadlines(core::time_us now);

  worker& worker_;
  exporter& exports_;
  const cluster_secret& secret_;
  const uint64_t incarnation_;
  const serving_limits limits_;
  core::monotonic_clock clock_;

  std::unordered_map<uint64_t, std::unique_ptr<session>> sessions_; // by number
  std::deque<uint64_t> ready_;                                      // sessions with queued fetches, in turn
  std::vector<uint64_t> failed_;                                    // noted inside progress, cut off outside
  std::vector<std::unique_ptr<session>> closing_;
  unsigned services_ = 0; // under way in all
  core::time_us next_check_us_ = 0;
};

} // namespace fastptm::transport::ucx
