// Gives every process its own CAF node id, by replacing one function of CAF 0.17 at link time.
//
// CAF derives the id from MAC addresses, the root file system's UUID and the pid: equal for two containers with the
// host's network and pid 1 each, and for a container and its next life. Linked as an object file into every executable
// that starts an actor system (fastptm::node_identity), since a static archive would leave it out.
#include <string>

#include <caf/detail/get_root_uuid.hpp>

#include "core/random.hpp"

namespace caf::detail {

std::string get_root_uuid() {
  return fastptm::core::random_secret_hex();
}

} // namespace caf::detail
