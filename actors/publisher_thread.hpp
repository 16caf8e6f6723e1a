// PUBLISHER: runs weights::publish on a thread of its own, one after the other. Private to the weight store.
#pragma once

#include <functional>
#include <string>

#include "actors/interfaces.hpp"
#include "actors/local.hpp"
#include "weights/publisher.hpp"

namespace fastptm::actors {

struct publisher_options {
  weights::content_store* store = nullptr; // both outlive the actor
  weights::catalogue* catalogue = nullptr;
  uint64_t largest_arena_bytes = 0; // 0: not checked
};

using publisher_actor = caf::typed_actor<asked<publish_request>::with<local<weights::publication>>, takes<stop_atom>>;

// Spawned detached: it blocks.
class publisher_thread {
public:
  using interface = publisher_actor;
  static constexpr const char* actor_name = "fastptm.publisher";

  publisher_thread(interface::pointer self, publisher_options options);
  interface::behavior_type make_behavior();

private:
  caf::result<local<weights::publication>> on_publish(const publish_request& request);

  interface::pointer self_;
  const publisher_options options_;
};

} // namespace fastptm::actors
