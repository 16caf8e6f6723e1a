// An actor system without threads or a clock of its own: one message at a time, in an order that a seed decides.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <caf/all.hpp>

#include "actors/deterministic_system.hpp"
#include "core/clock.hpp"
#include "core/random.hpp"

namespace fastptm::sim::world {

// CAF's scheduler for tests under the control of the world. Actors belong to nodes: to the one that was current when
// they were spawned, and what an actor spawns belongs to its node. Actors of a frozen node run no more until it is thawed;
// what they were sent waits in their mailboxes, as for a process that was stopped. Detached actors are not under control:
// none must be spoken to. One thread.
class virtual_system {
public:
  explicit virtual_system(uint64_t seed) : random_(seed) {}
  ~virtual_system();

  caf::actor_system& system() { return base_.system(); }
  const core::clock& clock() const { return base_.clock(); }
  core::time_us now_us() const { return base_.clock().now_us(); }

  // What `spawn` spawns belongs to the node.
  template <class Spawn> auto on_node(const std::string& node, Spawn spawn) {
    const current_node now(*this, number_of(node));
    return spawn();
  }
  void freeze(const std::string& node);
  void thaw(const std::string& node);

  // Until none of its actors has a message: after all of them were told to end, their process has died.
  void run_all_of(const std::string& node);

  // One message to somebody, if there is one for somebody who is not frozen.
  bool run_one();
  // When the next timer of an actor is due.
  std::optional<core::time_us> next_timer_us() const;
  // Lets time pass until then; timers that are due put their messages.
  void advance_to(core::time_us at_us);

  uint64_t messages() const { return messages_; }
  // Of which actor ran when: equal for equal runs.
  uint64_t transcript() const { return transcript_; }

private:
  using node_number = uint16_t; // 0: none

  class current_node {
  public:
    current_node(virtual_system& of, node_number node) : of_(of), before_(of.latest_id()), node_(node) {}
    ~current_node() { of_.own(before_, node_); }
    current_node(const current_node&) = delete;
    current_node& operator=(const current_node&) = delete;

  private:
    virtual_system& of_;
    caf::actor_id before_;
    const node_number node_;
  };
  struct node_entry {
    bool is_frozen = false;
    std::vector<caf::resumable*> waiting; // while it is: with something in their mailbox
  };
  caf::actor_id latest_id();
  node_number number_of(const std::string& node);
  void own(caf::actor_id after, node_number node);
  static caf::actor_id id_of(caf::resumable& job);
  node_number node_of(caf::resumable& job) const;
  void run_first();

  actors::deterministic_system base_;
  core::prng random_;
  std::map<std::string, node_number> numbers_;
  std::vector<node_entry> nodes_{1};
  std::vector<node_number> owners_; // by actor
  uint64_t messages_ = 0, transcript_ = 0;
};

} // namespace fastptm::sim::world
