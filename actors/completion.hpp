// Turns what finishes on a foreign thread (pump, disk, executor, verifier) into a message to an actor.
#pragma once

#include <caf/all.hpp>

namespace fastptm::actors {

// The returned function may be called on any thread, any number of times, also when the actor has ended (nothing
// happens then): it holds the actor weakly. It sends (prefix..., arguments...) as one message, which Interface must
// accept. Promises stay inside actors; what crosses threads is a value or an id.
template <class Interface, class... Prefix> auto notifier(typename Interface::pointer self, Prefix... prefix) {
  return [weak = caf::actor_cast<caf::actor_addr>(self), prefix...](auto&&... arguments) {
    if (auto strong = caf::actor_cast<Interface>(weak))
      caf::anon_send(strong, prefix..., std::forward<decltype(arguments)>(arguments)...);
  };
}

} // namespace fastptm::actors
