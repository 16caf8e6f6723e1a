// Joins, renews, joins again, stops.
#include "actors/membership/supervisor.hpp"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "actors/membership/join_proof.hpp"
#include "core/log.hpp"
#include "policy/lease.hpp"
#include "protocol/errors.hpp"

namespace fastptm::actors {

namespace {

using std::chrono::microseconds;

constexpr core::duration_us first_pause_us = 50'000, longest_pause_us = 1'000'000;
// A name that is taken is free again when the lease of its last life ends; longer means a second node of that name.
constexpr core::duration_us longest_refusal_us = 10'000'000;

// Waiting does not help.
bool is_final(core::errc code) {
  return code == core::errc::version_mismatch || code == core::errc::permission_denied || code == core::errc::not_found;
}

} // namespace

supervisor::supervisor(interface::pointer self, supervisor_options options)
    : self_(self), options_(std::move(options)) {}

supervisor::interface::behavior_type supervisor::make_behavior() {
  self_->set_down_handler([this](caf::down_msg& down) { on_down(down); });
  for (const auto& group : options_.children)
    for (const auto& child : group) self_->monitor(child);
  find_head();
  return {
      [this](const protocol::nodes_lost& lost) {
        for (const auto& node : lost.nodes) on_node_lost(node);
      },
      [this](protocol::stop_atom) { on_stop(); },
      [this](protocol::tick_atom, uint64_t attempt) { on_tick(attempt); },
      [this](const caf::strong_actor_ptr& head) { on_connected(head); },
      [this](const local<core::error>& failure) { on_unreachable(*failure.value); },
  };
}

// -- joining ----------------------------------------------------------------------------------------------------------

void supervisor::find_head() {
  ++attempt_;
  phase_ = phase::apart;
  options_.reach_head([weak = caf::actor_cast<caf::actor_addr>(self_)](core::result<caf::strong_actor_ptr> found) {
    const auto strong = caf::actor_cast<interface>(weak);
    if (!strong) return;
    if (found)
      caf::anon_send(strong, std::move(*found));
    else
      caf::anon_send(strong, make_local(found.error())); // a caf::error as a message would end the actor
  });
}

void supervisor::on_connected(const caf::strong_actor_ptr& head) {
  if (phase_ != phase::apart) return;
  entrance_ = caf::actor_cast<protocol::entrance_actor>(head);
  self_->monitor(entrance_);
  say_hello();
}

// Whoever answers at the head's address while the head is away has not proven anything: no reason to end a node.
void supervisor::on_unreachable(core::error why) {
  if (joined_before_ && why.code == core::errc::permission_denied) why.code = core::errc::unavailable;
  on_attempt_failed(why);
}

void supervisor::say_hello() {
  const auto attempt = ++attempt_;
  phase_ = phase::apart;
  self_
      ->request(entrance_, microseconds(options_.connect_timeout_us), protocol::hello_atom_v,
                protocol::protocol_version, options_.peer.node)
      .then(
          [this, attempt](const std::string& nonce) {
            if (attempt == attempt_) join(nonce);
          },
          [this, attempt](const caf::error& failure) {
            if (attempt == attempt_) on_attempt_failed(protocol::from_caf(failure));
          });
}

void supervisor::join(const std::string& nonce) {
  const auto proof = join_proof(options_.secret, nonce, options_.peer.node, options_.peer.incarnation);
  protocol::join_request request{
      protocol::protocol_version,       proof, options_.peer, options_.pid, options_.roles, options_.devices,
      protocol::supervisor_actor(self_)};
  self_->request(entrance_, microseconds(options_.connect_timeout_us), std::move(request))
      .then(
          [this, attempt = attempt_](const protocol::join_reply& reply) {
            if (attempt == attempt_) on_joined(reply);
          },
          [this, attempt = attempt_](const caf::error& failure) {
            if (attempt == attempt_) on_attempt_failed(protocol::from_caf(failure));
          });
}

void supervisor::on_joined(const protocol::join_reply& reply) {
  phase_ = phase::joined;
  joined_before_ = true;
  directory_ = reply.directory;
  lease_ = reply.lease;
  pause_us_ = refused_us_ = unanswered_us_ = 0;
  core::log::info("supervisor", "joined", "registration {}", lease_.registration.value);
  for (const auto& device : options_.devices) {
    self_->send(device.worker, protocol::attach_order{lease_.registration, directory_, reply.scheduler,
                                                      reply.weight_store, reply.store, reply.links});
  }
  self_->delayed_send(self_, microseconds(lease_.heartbeat_us), protocol::tick_atom_v, attempt_);
  if (options_.on_joined) options_.on_joined();
}

void supervisor::on_attempt_failed(const core::error& why) {
  if (phase_ != phase::apart) return;
  core::log::warn("supervisor", "join-failed", "{}", why.message);
  if (is_final(why.code)) return fail(why);
  if (why.code != core::errc::already_exists) return retry(pause_us_);
  refused_us_ += longest_pause_us;
  if (refused_us_ > longest_refusal_us) return fail(why);
  retry(longest_pause_us);
}

void supervisor::retry(core::duration_us pause_us) {
  if (entrance_) self_->demonitor(entrance_.address());
  entrance_ = nullptr;
  directory_ = nullptr;
  ++attempt_;
  phase_ = phase::apart;
  pause_us_ = std::clamp(2 * pause_us_, first_pause_us, longest_pause_us);
  self_->delayed_send(self_, microseconds(std::max(pause_us, first_pause_us)), protocol::tick_atom_v, attempt_);
}

// -- while joined -----------------------------------------------------------------------------------------------------

void supervisor::on_tick(uint64_t attempt) {
  if (attempt != attempt_ || phase_ == phase::stopping) return;
  phase_ == phase::joined ? renew() : find_head();
}

void supervisor::renew() {
  self_->request(directory_, microseconds(lease_.lease_us), protocol::renew_atom_v, lease_.registration)
      .then([this](bool) { unanswered_us_ = 0; },
            [this, attempt = attempt_](const caf::error& failure) {
              if (attempt == attempt_) on_renew_failed(protocol::from_caf(failure));
            });
  self_->delayed_send(self_, microseconds(lease_.heartbeat_us), protocol::tick_atom_v, attempt_);
}

void supervisor::on_renew_failed(const core::error& why) {
  core::log::warn("supervisor", "not-renewed", "{}", why.message);
  if (why.code == core::errc::not_found) return say_hello(); // the same head, another registration
  unanswered_us_ = std::max(lease_.lease_us, unanswered_us_ + lease_.heartbeat_us);
  const policy::lease_rules rules{lease_.heartbeat_us, lease_.lease_us};
  if (why.code != core::errc::deadline_exceeded || rules.gives_up(unanswered_us_)) retry(0);
}

void supervisor::on_node_lost(const protocol::node_lost& lost) {
  if (lost.node == options_.peer.node) return;
  for (const auto& device : options_.devices) self_->send(device.worker, lost);
  if (options_.on_peer_lost) options_.on_peer_lost(lost.node, lost.incarnation);
}

// -- ends -------------------------------------------------------------------------------------------------------------

void supervisor::on_down(const caf::down_msg& down) {
  if (phase_ == phase::stopping) {
    std::erase(still_stopping_, down.source);
    if (still_stopping_.empty()) stop_next_group();
    return;
  }
  if (entrance_ && entrance_.address() == down.source) {
    core::log::warn("supervisor", "head-lost", "the head's process or connection ended: joining again");
    return retry(0);
  }
  for (const auto& group : options_.children)
    for (const auto& child : group)
      if (child.address() == down.source)
        return fail({core::errc::internal, "an actor of this node has died: " + caf::to_string(down.reason)});
}

void supervisor::on_stop() {
  if (phase_ == phase::stopping) return;
  if (phase_ == phase::joined) self_->send(directory_, protocol::leave_atom_v, lease_.registration);
  phase_ = phase::stopping;
  ++attempt_; // an answer to a join on its way must not bring the node back to life
  stop_next_group();
}

void supervisor::stop_next_group() {
  while (still_stopping_.empty()) {
    if (stopping_group_ == options_.children.size()) return self_->quit(caf::exit_reason::user_shutdown);
    for (const auto& child : options_.children[stopping_group_++]) {
      still_stopping_.push_back(child.address());
      caf::anon_send<caf::message_priority::high>(child, protocol::stop_atom_v);
    }
  }
}

void supervisor::fail(core::error why) {
  core::log::error("supervisor", "fatal", "{}", why.message);
  if (options_.on_fatal) options_.on_fatal(why);
}

} // namespace fastptm::actors
