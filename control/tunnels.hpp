// A node's connections of the control plane: one thread that proves peers, and carries bytes for those that are proven.
#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "control/certificates.hpp"
#include "control/tunnel.hpp"
#include "core/clock.hpp"
#include "core/metrics.hpp"
#include "core/mutex.hpp"
#include "core/network_address.hpp"

namespace fastptm::control {

// What comes in.
struct door_options {
  core::network_address at;    // numeric; port 0: chosen by the system
  std::set<std::string> nodes; // whose certificates are good here
  // On the thread of the tunnels; must not block. `local` is the node's bytes in the clear; takes the descriptor.
  std::function<void(const std::string& node, int local)> admit;
  // A handshake takes a few milliseconds; who is silent waits for nothing.
  core::duration_us patience_us = 2'000'000;
  // That have not proven themselves yet, each of some 50 KiB. When another comes, the oldest goes: so silence keeps
  // nobody out.
  size_t strangers = 64;
  // At once, of one node: it has one, and after a restart a broken one for as long as that takes to be noticed.
  size_t per_node = 4;
};

class tunnels;

// Listens for as long as it lives; ended by the thread that opened it, after which `admit` is not called any more.
class door {
public:
  ~door();
  door(const door&) = delete;
  door& operator=(const door&) = delete;

  uint16_t port() const { return port_; }

private:
  friend class tunnels;
  door(tunnels& of, uint16_t port) : of_(of), port_(port) {}

  tunnels& of_;
  const uint16_t port_;
};

// Outlives every door and the actor system whose bytes it carries. Its end waits for the last bytes of what is closed
// already, for a part of a second.
class tunnels {
public:
  // `metrics` may be null. invalid: credentials that cannot be read.
  static core::result<std::unique_ptr<tunnels>> start(const credentials& own, core::metrics_registry* metrics);
  ~tunnels();
  tunnels(const tunnels&) = delete;

  // One at a time. unavailable: somebody else listens there.
  core::result<std::unique_ptr<door>> open(door_options options);

  // Takes a connected socket that does not block; the answer is its bytes in the clear. Waits as long as that takes, at
  // most `timeout_us`. permission_denied: the other side is not that node of this cluster, or refuses this one;
  // unavailable: anything that may pass. Any thread that may block.
  core::result<int> connect(int socket, const std::string& node, core::duration_us timeout_us);

private:
  friend class door;
  using connected = std::promise<core::result<int>>;

  struct connection {
    connection(const tls_settings& settings, core::descriptor socket, side by)
        : way(settings, std::move(socket), by), of(by) {}

    tunnel way;
    const side of;
    std::string node; // the peer: wanted or, when accepted and proven, found
    enum class phase : uint8_t { shaking, hearing, carrying } at = phase::shaking;
    core::time_us until_us = 0;                   // while not carrying
    std::shared_ptr<connected> waiting;           // of connect()
    uint32_t socket_events = 0, local_events = 0; // as watched now
  };
  using connections = std::map<uint64_t, connection>; // by number, so the oldest first

  // What the metrics tell apart.
  enum class outcome : uint8_t { admitted, refused, silent, crowded };

  explicit tunnels(tls_settings settings, core::metrics_registry* metrics);

  // -- the thread -----------------------------------------------------------------------------------------------------
  void run();
  void turn();
  void on_event(uint64_t tag);
  core::duration_us sleep_us() const;
  void expire(core::time_us now_us);
  bool at_end() const;
  // Runs it there and waits for it.
  void there(std::function<void()> what);
  void do_what_was_asked();

  // -- the door -------------------------------------------------------------------------------------------------------
  core::result<uint16_t> listen(door_options options);
  void shut();
  void accept_some();
  void rest_from_accepting(int failure);
  void make_room();

  // -- one connection -------------------------------------------------------------------------------------------------
  void add(core::descriptor socket, side of, std::string node, core::duration_us patience_us,
           std::shared_ptr<connected> waiting);
  void drive(connections::iterator of);
  // Each: false, and it is gone.
  bool shake(connections::iterator of);
  bool prove(connections::iterator of);
  bool hear(connections::iterator of);
  bool carry(connections::iterator of);
  bool hand_over(connections::iterator of);
  void refuse(connections::iterator of, outcome as, core::error why);
  void forget(connections::iterator of);
  void watch(connections::iterator of);
  void set_events(int file, uint64_t tag, uint32_t& known, uint32_t wanted) const;
  verdict verdict_of(const std::string& node) const;
  void count(outcome what);

  const tls_settings settings_;
  std::map<outcome, core::counter*> counted_;
  const core::descriptor epoll_, wake_;

  // Of the thread.
  core::descriptor listening_;
  door_options door_;
  bool resting_ = false;
  core::time_us rests_until_us_ = 0;
  uint64_t last_ = 0;
  connections all_;
  std::set<uint64_t> unproven_;
  std::set<uint64_t> eager_;  // have more to carry
  core::time_us told_us_ = 0; // the last line about a refusal
  uint64_t untold_ = 0;
  core::time_us ends_us_ = 0; // 0: nobody has asked

  core::mutex mutex_;
  std::vector<std::function<void()>> asked_ FASTPTM_GUARDED_BY(mutex_);
  std::thread thread_; // last: uses everything above
};

} // namespace fastptm::control
