// The source side: accepts connections, has peers prove the secret, sends the ranges they ask for.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/clock.hpp"
#include "transport/cluster_secret.hpp"
#include "transport/exporter.hpp"
#include "transport/message_tags.hpp"
#include "transport/sockets/connection_metrics.hpp"
#include "transport/sockets/limits.hpp"
#include "transport/sockets/link.hpp"
#include "transport/sockets/listener.hpp"
#include "transport/sockets/poller.hpp"

namespace fastptm::transport::sockets {

// Driven by the backend on the pump's thread. Whatever a peer sends costs it its connection at worst: before it has
// proven the secret it is given at most two small messages, and keeps one small buffer.
class serving {
public:
  serving(poller& by, exporter& exports, const cluster_secret& secret, uint64_t incarnation, serving_limits limits,
          connection_metrics& counts);
  ~serving();

  core::result<uint16_t> listen(const std::string& host, uint16_t port);

  // True: it was of this side.
  bool on_event(const event& what, core::time_us now);
  // Cuts off who is late. True: did something.
  bool check(core::time_us now);
  core::duration_us until_check_us() const;

  // Cuts off a node that was declared lost: what it has been given is free at once.
  void close_peer(std::string_view node);
  void close_all();
  bool empty() const { return sessions_.empty(); }

private:
  // Deadlines are coarse; looking for them costs a walk over the sessions.
  static constexpr core::duration_us check_every_us = 20'000;

  enum class stage : uint8_t { greeting, proving, ready };

  // A range that is pinned for a peer.
  struct service {
    remote_range range;
    core::time_us since_us = 0;
    bool granted = false; // the asker reads it; else it is sent
  };
  struct session {
    session(core::descriptor socket, uint64_t named) : to(std::move(socket)), number(named) {}

    link to;
    const uint64_t number;
    uint64_t probed = 0; // what a prober reads out of this process
    stage at = stage::greeting;
    nonce asker{}, source{};
    std::string node; // the asker's
    std::optional<message_tags> taken, given;
    std::array<std::byte, sizeof(wire::message)> buffer;
    size_t have_bytes = 0;
    std::deque<wire::message> queue;
    std::unordered_map<uint64_t, service> under_way; // by the asker's id
    unsigned sending = 0;
    bool wants_to_write = false;
    core::time_us since_us = 0;
    core::time_us moved_us = 0; // a byte went or came
  };

  void accept_some(core::time_us now);
  void make_room_for_stranger();
  bool make_room_for_peer();

  // Each of these: false when the conversation is over.
  bool take(session& who, core::time_us now);
  bool take_one(session& who);
  bool greet(session& who);
  bool admit(session& who);
  bool obey(session& who);
  bool enqueue(session& who, const wire::message& wanted);
  bool flush(session& who, core::time_us now);

  void welcome(session& who);
  void serve(session& who);
  void start(session& who, const wire::message& wanted);
  void end(session& who, uint64_t id);
  void forget_waiting(session& who, uint64_t id);
  void expire_grants(session& who, core::time_us before_us);
  bool is_late(const session& who, core::time_us now) const;
  static bool is_busy(const session& who);
  void give(session& who, wire::message message, core::memory_region payload = {}, std::function<void()> given = {});
  void refuse(session& who, const wire::message& wanted, core::errc why);
  void cut_off(uint64_t number);
  // At most once a second: strangers must not fill the log.
  bool may_complain();

  poller& poller_;
  exporter& exports_;
  const cluster_secret& secret_;
  const uint64_t incarnation_;
  const serving_limits limits_;
  connection_metrics& counts_;
  core::monotonic_clock clock_;

  std::optional<listener> listener_;
  uint64_t listener_number_ = 0;
  bool paused_ = false;                                   // no descriptor is free
  std::map<uint64_t, std::unique_ptr<session>> sessions_; // by number: the oldest first
  std::set<uint64_t> strangers_;                          // of them
  core::time_us next_check_us_ = 0;
  core::time_us next_complaint_us_ = 0;
};

} // namespace fastptm::transport::sockets
