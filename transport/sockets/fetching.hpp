// The asking side: connections to sources, fetches in flight, their deadlines.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/clock.hpp"
#include "transport/cluster_secret.hpp"
#include "transport/message_tags.hpp"
#include "transport/network_engine.hpp"
#include "transport/sockets/link.hpp"
#include "transport/sockets/poller.hpp"

namespace fastptm::transport::sockets {

// Driven by the backend on the pump's thread.
//
// A fetch has time for as long as its connection brings bytes, for it or for others. A connection that brings nothing for
// as long as one of its fetches may wait is a peer that hangs, and ends with everything asked of it. What is cancelled
// gives up alone: what still comes for it is thrown away.
class fetching {
public:
  fetching(poller& by, const cluster_secret& secret, std::string own_name, core::duration_us connect_us,
           memory_reading reading);
  ~fetching();

  void fetch(wanted_fetch what);
  void cancel(transport::fetch_id id);
  void close_peer(const std::string& node, uint64_t incarnation);
  // A read of a peer's memory is over.
  void on_read(uint64_t id, bool complete, std::optional<uint64_t> checksum);

  // True: it was of this side.
  bool on_event(const event& what, core::time_us now);
  // Gives up what is late. True: did something.
  bool check(core::time_us now);
  core::duration_us until_check_us(core::time_us now) const;

  // Fails everything; what is being read out of a peer's memory ends a moment later.
  void close_all();
  bool empty() const { return connections_.empty() && fetches_.empty(); }

  // What connected peers' bytes travel by: noted for other threads by the backend.
  std::function<void(const std::string& node, path way)> on_path;

private:
  enum class stage : uint8_t { connecting, greeting, proving, ready };

  struct flight;
  struct connection {
    connection(core::descriptor socket, uint64_t named, peer_address source)
        : to(std::move(socket)), number(named), peer(std::move(source)) {}

    link to;
    const uint64_t number;
    const peer_address peer;
    stage at = stage::connecting;
    path way = path::tcp;
    int64_t pid = 0; // of the source, where way is cma
    uint64_t session = 0;
    nonce asker{};
    std::optional<message_tags> taken, given;
    std::array<std::byte, sizeof(wire::message)> buffer;
    size_t have_bytes = 0;
    flight* into = nullptr; // whose payload comes in; null with bytes left: nobody's any more
    uint64_t left_bytes = 0;
    bool wants_to_write = true;
    core::time_us since_us = 0;
    core::time_us heard_us = 0; // a byte came, or a read of its memory ended: nothing comes for those behind it before
    unsigned reading = 0;       // how many threads read its memory
    core::error why;            // it ends
    std::set<uint64_t> fetches; // in the order in which they were asked for
  };
  struct flight {
    wanted_fetch what;
    connection* from = nullptr; // null: it has ended, and a thread still reads
    core::error why;            // then
    path way = path::tcp;
    bool asked = false;
    core::time_us asked_us = 0;
    bool reading = false; // a thread writes into the target
  };

  core::result<connection*> connection_to(const peer_address& peer);
  core::result<connection*> connect(const peer_address& peer);

  // Each of these: false when the conversation is over; `why` of the connection says more, if there is more to say.
  bool greet(connection& to);
  bool take(connection& to, core::time_us now);
  bool take_payload(connection& to, core::time_us now, bool& any);
  bool take_message(connection& to, core::time_us now, bool& any);
  bool on_challenge(connection& to);
  bool on_welcome(connection& to, const wire::message& message);
  bool on_message(connection& to);
  bool on_data(connection& to, const wire::message& message);
  bool on_granted(connection& to, const wire::message& message);
  bool flush(connection& to);

  void give(connection& to, wire::message message);
  void ask(flight& one);
  flight* find(connection& from, uint64_t id);
  void read_memory(flight& one, uint64_t address);
  void finish(flight& one, core::result<void> outcome, std::optional<uint64_t> checksum = std::nullopt);
  void give_up(flight& one, core::error why);
  // `why` is no part of the connection.
  void end(connection& which, const core::error& why);
  core::time_us deadline_us(const flight& one) const;
  std::optional<core::error> why_over(const connection& one, core::time_us now) const;

  poller& poller_;
  const cluster_secret& secret_;
  const std::string own_name_;
  const core::duration_us connect_us_;
  const memory_reading reading_;
  core::monotonic_clock clock_;

  std::unordered_map<uint64_t, std::unique_ptr<connection>> connections_; // by number
  std::unordered_map<std::string, connection*> by_node_;
  std::unordered_map<uint64_t, std::unique_ptr<flight>> fetches_;
  core::time_us next_check_us_ = 0;
};

} // namespace fastptm::transport::sockets
