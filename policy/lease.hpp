// When a silent node is suspected, when its lease is over, and when the node itself gives up on a silent head.
#pragma once

#include "core/clock.hpp"

namespace fastptm::policy {

enum class lease_verdict : uint8_t { held, suspect, over };

struct lease_rules {
  core::duration_us heartbeat_us = 0; // how often a node renews
  core::duration_us lease_us = 0;
  // How late its keeper may look before that counts as the keeper's own absence; 0: as long as it has between looks.
  core::duration_us late_look_us = 0;

  // How often the keeper of leases looks at them.
  core::duration_us look_every_us() const { return lease_us / 8; }

  lease_verdict judge(core::duration_us silent_us) const {
    if (silent_us > lease_us) return lease_verdict::over;
    return silent_us > 2 * heartbeat_us ? lease_verdict::suspect : lease_verdict::held;
  }

  // A head that does not answer may be frozen or busy, and knows its nodes when it goes on; a connection that is cut
  // without a word is given up then, too. Counted from the last answer.
  bool gives_up(core::duration_us unanswered_us) const { return unanswered_us > 4 * lease_us; }
};

// Time during which the keeper itself did not look is nobody's silence: it was frozen, or its mailbox was long, and the
// renewals that came meanwhile lie behind the look.
class lease_watch {
public:
  lease_watch(const lease_rules& rules, core::time_us now) : rules_(rules), looked_us_(now) {}

  const lease_rules& rules() const { return rules_; }

  // At every look, before judging. How far what was heard before must be moved on.
  core::duration_us look(core::time_us now) {
    const auto late_us = now - looked_us_ - rules_.look_every_us();
    looked_us_ = now;
    return late_us > (rules_.late_look_us > 0 ? rules_.late_look_us : rules_.look_every_us()) ? late_us : 0;
  }

private:
  const lease_rules rules_;
  core::time_us looked_us_;
};

} // namespace fastptm::policy
