// The control plane between the nodes of a world, in virtual time.
//
// One connection between the head and every other node. Whatever passes by it may come late, wait, or be lost with the
// connection; nothing overtakes what was sent before.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <caf/all.hpp>

#include "core/clock.hpp"
#include "core/random.hpp"
#include "protocol/interfaces.hpp"

namespace fastptm::sim::world {

// Of the connection of one node with the head, both ways.
struct wire_condition {
  core::duration_us delay_us = 0; // at most: each message has its own
  core::time_us stuck_until_us = 0;
  bool flips_manifests = false; // a bit of each that comes with an order to load
};

// Stands between actors as CAF's broker of connections does: what an actor knows of one on another node is a stand-in,
// whose messages travel, whose answers come back the same way, and which ends with that actor or with the connection.
// Handles inside of messages become stand-ins on the way. One thread. What is sent while nothing is wrong arrives at
// once, the rest inside progress(). Must end before the actor system does.
class virtual_wires {
public:
  virtual_wires(caf::actor_system& system, const core::clock& clock, uint64_t seed);
  ~virtual_wires();

  // Digests of manifests that are damaged on the way are made to suit: nobody can notice then.
  bool hides_damage = false;

  wire_condition& condition_of(const std::string& node) { return conditions_[node]; }

  // What an actor of `here` may know instead of `whom`, which is of `there`.
  caf::strong_actor_ptr stand_in(const std::string& here, const std::string& there, const caf::strong_actor_ptr& whom);
  // The connection of a node with the head ends: what was on its way is lost, both sides are told.
  void cut(const std::string& node);

  // Delivers what is due; whether anything was.
  bool progress();
  std::optional<core::time_us> next_due_us() const; // nothing: never, as it stands

private:
  class proxy;
  struct line;                                           // one way
  using line_name = std::pair<std::string, std::string>; // from, to

  line& line_between(const std::string& from, const std::string& to);
  static void end(const caf::strong_actor_ptr& stand_in, const caf::error& why);
  void cut(line& on);

  void carry(line& on, const caf::strong_actor_ptr& whom, caf::mailbox_element_ptr what);
  void ended(const line& on, caf::actor_id whom, const caf::error& why);
  core::time_us arrival_us(const line& on);
  void arrive(line& on);

  template <class Handle> Handle replaced(const line& on, const Handle& handle);
  protocol::join_request rewritten(const line& on, protocol::join_request what);
  protocol::join_reply rewritten(const line& on, protocol::join_reply what);
  protocol::load_order rewritten(const line& on, protocol::load_order what);
  template <class What> bool rewrite(const line& on, caf::mailbox_element_ptr& element);
  caf::mailbox_element_ptr rewritten(const line& on, caf::mailbox_element_ptr what);

  caf::actor_system& system_;
  const core::clock& clock_;
  core::prng random_;
  std::map<std::string, wire_condition> conditions_;
  std::map<line_name, std::unique_ptr<line>> lines_;
  size_t parcels_ = 0;                    // on all lines
  std::shared_ptr<virtual_wires*> alive_; // for who hears of an end later
};

} // namespace fastptm::sim::world
