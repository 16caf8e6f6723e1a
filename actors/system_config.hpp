// The settings of CAF that this runtime needs, and its message types.
#pragma once

#include <caf/all.hpp>
#include <caf/io/all.hpp>

#include "protocol/messages.hpp"

namespace fastptm::actors {

// One per process that starts actors; reads no file and no command line.
class system_config : public caf::actor_system_config {
public:
  // `threads` run actors; the middleman adds one, every detached actor another.
  explicit system_config(size_t threads = 4);
};

} // namespace fastptm::actors
