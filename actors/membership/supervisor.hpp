// SUPERVISOR: keeps its node joined to the cluster, and stops the node's actors in order.
#pragma once

#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "actors/local.hpp"
#include "actors/membership/connector.hpp"
#include "core/clock.hpp"
#include "protocol/interfaces.hpp"

namespace fastptm::actors {

struct supervisor_options {
  std::string secret;
  protocol::peer_row peer; // name and incarnation of this node, and where its memory can be read
  uint32_t pid = 0;
  std::vector<std::string> roles;
  std::vector<protocol::joining_device> devices;

  head_reacher reach_head;                  // where to join
  core::duration_us connect_timeout_us = 0; // of one attempt

  // Stopped one group after the other; an actor that ends before that is a fault of the whole node.
  std::vector<std::vector<caf::actor>> children;

  // Called on an actor's thread; must not block.
  std::function<void()> on_joined; // for whoever waits until the node is ready
  std::function<void(const std::string& node, uint64_t incarnation)> on_peer_lost; // transports forget it
  std::function<void(const core::error&)> on_fatal; // the node cannot go on: wrong secret, wrong build, a dead child
};

// Supervision is this: the supervisor monitors its children and the directory. The directory's death means: connect and
// join again, the arenas keep their contents. A child's death means: the node ends and `up` starts it again, since no
// actor here can be rebuilt without losing what it owned.
class supervisor {
public:
  using interface =
      protocol::supervisor_actor::extend<protocol::takes<protocol::tick_atom, uint64_t>,
                                         protocol::takes<caf::strong_actor_ptr>, protocol::takes<local<core::error>>>;
  static constexpr const char* actor_name = "fastptm.supervisor";

  supervisor(interface::pointer self, supervisor_options options);
  interface::behavior_type make_behavior();

private:
  // -- joining --------------------------------------------------------------------------------------------------------
  void find_head();
  void on_connected(const caf::strong_actor_ptr& head);
  void on_unreachable(core::error why);
  void say_hello();
  void join(const std::string& nonce);
  void on_joined(const protocol::join_reply& reply);
  void on_attempt_failed(const core::error& why);
  void retry(core::duration_us pause_us);

  // -- while joined ---------------------------------------------------------------------------------------------------
  void on_tick(uint64_t attempt);
  void renew();
  void on_renew_failed(const core::error& why);
  void on_node_lost(const protocol::node_lost& lost);

  // -- ends -----------------------------------------------------------------------------------------------------------
  void on_down(const caf::down_msg& down);
  void on_stop();
  void stop_next_group();
  void fail(core::error why);

  enum class phase : uint8_t { apart, joined, stopping };

  interface::pointer self_;
  const supervisor_options options_;
  phase phase_ = phase::apart;
  protocol::entrance_actor entrance_;   // of the connection
  protocol::directory_actor directory_; // while joined
  bool joined_before_ = false;
  protocol::lease_terms lease_;
  // Counts attempts to join: a timer or answer of an earlier one is ignored.
  uint64_t attempt_ = 0;
  core::duration_us pause_us_ = 0;
  core::duration_us unanswered_us_ = 0; // since the head last answered a renewal
  core::duration_us refused_us_ = 0;    // how long joins have been refused because the name is taken
  size_t stopping_group_ = 0;
  std::vector<caf::actor_addr> still_stopping_;
};

} // namespace fastptm::actors
