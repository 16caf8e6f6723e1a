// What each tenant occupies of the front end, over all of its connections, and when these may be read.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <kj/async.h>
#include <kj/timer.h>

#include "core/error.hpp"
#include "core/metrics.hpp"
#include "policy/turns.hpp"

namespace fastptm::rpc {

// What one tenant may occupy, whatever the number of its connections.
struct tenant_bounds {
  std::map<std::string, uint32_t> requests; // in progress, by tenant; a few more are read, to be refused with a hint
  uint32_t calls = 0;                       // in progress besides: short questions
  uint32_t handles = 0;                     // capabilities that its clients hold
  uint32_t unfinished = 0;                  // calls whose answers its clients still hold
  uint64_t unread_bytes = 0;                // of answers that a connection does not take
};

// Whose number a call in progress adds to.
enum class call_kind : uint8_t { request, call, list, write };

class tenant_gate;

class tenant_account : public std::enable_shared_from_this<tenant_account> {
public:
  tenant_account(tenant_gate& gate, std::string name, policy::tenant_index index, core::counter& waits);

  const std::string& name() const { return name_; }
  tenant_gate& gate() { return gate_; }

  // Occupied until it is destroyed, which may be after the gate: with the loop.
  class place {
  public:
    place(std::shared_ptr<tenant_account> of, uint32_t& count) : of_(std::move(of)), count_(count) { ++count_; }
    ~place();
    place(place&& from) noexcept = default;
    place& operator=(place&&) = delete;

  private:
    std::shared_ptr<tenant_account> of_; // null: moved from
    uint32_t& count_;
  };
  place begin(call_kind kind) { return place(shared_from_this(), in_progress_[static_cast<size_t>(kind)]); }
  // quota_exceeded: the clients hold too many.
  core::result<place> take_handle();
  // quota_exceeded: too many models are being taken back.
  core::result<place> begin_removal();
  // What an answer cost the thread beside the call itself.
  void charge(core::duration_us cost_us);

private:
  friend class tenant_gate;
  bool is_full() const;
  void wake();

  tenant_gate& gate_;
  const std::string name_;
  const policy::tenant_index index_;
  const std::array<uint32_t, 4> most_in_progress_; // by call_kind
  const uint32_t most_handles_;
  std::array<uint32_t, 4> in_progress_ = {};
  uint32_t handles_ = 0, removals_ = 0;
  uint32_t unfinished_ = 0; // calls whose clients have not said that they need the answer no more
  std::vector<kj::Own<kj::PromiseFulfiller<void>>> waiting_; // at most one for each connection
  core::counter& waits_;
};

// One connection, as the gate sees it.
class gate_visitor {
public:
  virtual uint64_t unread_bytes() = 0; // of answers

protected:
  ~gate_visitor() = default;
};

// KJ thread. Lives longer than every connection.
class tenant_gate {
public:
  tenant_gate(kj::Timer& timer, tenant_bounds bounds, core::metrics_registry& metrics);

  tenant_account& of(const std::string& tenant);

  // When the next message of this connection may be read; beyond its tenant's bounds it stays in the socket.
  // Bounds are soft by as many messages as there are connections: each reads one.
  kj::Promise<void> turn(tenant_account& of, const std::shared_ptr<gate_visitor>& connection);
  // A message of so many bytes was read.
  void took(tenant_account& of, uint64_t bytes);
  // A call came, or its client has finished with it. false: too many that it has not.
  bool call_came(tenant_account& of);
  void call_finished(tenant_account& of, uint32_t count = 1) { of.unfinished_ -= count; }

private:
  friend class tenant_account;
  kj::Promise<void> next_round();

  kj::Timer& timer_;
  const tenant_bounds bounds_;
  core::metrics_registry& metrics_;
  policy::turns turns_;
  std::map<std::string, std::shared_ptr<tenant_account>> accounts_;
  std::vector<kj::Own<kj::PromiseFulfiller<void>>> waiting_; // for the next round
  kj::Promise<void> round_ = kj::READY_NOW;
};

} // namespace fastptm::rpc
