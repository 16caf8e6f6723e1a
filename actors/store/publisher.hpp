// PUBLISHER: changes catalogue and store on a thread of its own, one change at a time; private to the weight store.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "actors/local.hpp"
#include "protocol/interfaces.hpp"
#include "weights/store/publisher.hpp"
#include "weights/store/unpublisher.hpp"

namespace fastptm::actors {

struct publisher_options {
  weights::content_store* store = nullptr; // both outlive the actor
  weights::catalogue* catalogue = nullptr;
  uint64_t largest_arena_bytes = 0; // 0: not checked
  uint64_t host_cache_bytes = 0;    // 0: not checked
};

// Rows to take out of the catalogue.
struct row_removal {
  std::vector<core::model_id> models;
};

using publisher_actor =
    caf::typed_actor<protocol::asked<protocol::publish_request>::with<local<weights::publication>>,
                     protocol::asked<local<row_removal>>::with<bool>,
                     // The bytes that became free.
                     protocol::asked<local<weights::leftovers>>::with<uint64_t>, protocol::takes<protocol::stop_atom>>;

// Spawned detached: it blocks.
class publisher {
public:
  using interface = publisher_actor;
  static constexpr const char* actor_name = "fastptm.publisher";

  publisher(interface::pointer self, publisher_options options);
  interface::behavior_type make_behavior();

private:
  caf::result<local<weights::publication>> on_publish(const protocol::publish_request& request);
  caf::result<bool> on_rows(const row_removal& removal);
  caf::result<uint64_t> on_leftovers(const weights::leftovers& left);

  interface::pointer self_;
  const publisher_options options_;
};

} // namespace fastptm::actors
