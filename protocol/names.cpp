// The names of states as the command line prints them.
#include "protocol/messages.hpp"

namespace fastptm::protocol {

std::string_view to_string(node_state of) noexcept {
  switch (of) {
    case node_state::ready:
      return "ready";
    case node_state::suspect:
      return "suspect";
    case node_state::lost:
      return "lost";
  }
  return "lost";
}

std::string_view to_string(load_reason of) noexcept {
  switch (of) {
    case load_reason::request:
      return "request";
    case load_reason::prefetch:
      return "prefetch";
    case load_reason::replica:
      return "replica";
  }
  return "request";
}

} // namespace fastptm::protocol
