// Why the core does not serve a model on a lane, or load it on a device, now.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/clock.hpp"

namespace fastptm::policy::scheduling {

enum class objection_kind : uint8_t {
  none,
  nothing_waits, // No request for the model.
  only_late,     // What waits cannot be on time any more: served when nothing else can be.
  lane_busy,     // It would be served here if a lane were free.

  // To a load.
  gone,        // The device is not there.
  cordoned,    // It gets no new work.
  load_failed, // The model's last load failed: not tried again yet.
  did_not_fit, // It was tried on this device: not tried there again yet.
  too_large,   // For the whole arena.
  no_room,     // What the device holds is in use.

  // To a visit: the strategy's reasons.
  tenant_ahead,     // Its tenant has had more than its share: others go first.
  holder_is_sooner, // A device that has the set will be through with the queue in good time.
  better_place,     // A load goes to another device: it has room, or gives up less.
  other_work_ready, // The lane need not wait for a load: another set is here and has requests.
  load_held         // Too little waits to pay for a load yet (options::hold).
};
std::string_view to_string(objection_kind kind) noexcept;

struct objection {
  objection_kind why = objection_kind::none;
  core::duration_us for_us = 0; // Until it ends by itself; 0: not known.
};

} // namespace fastptm::policy::scheduling
