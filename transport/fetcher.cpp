// Names of paths.
#include "transport/fetcher.hpp"

namespace fastptm::transport {

std::string_view to_string(path way) noexcept {
  switch (way) {
    case path::loopback:
      return "loopback";
    case path::map:
      return "map";
    case path::cma:
      return "cma";
    case path::tcp:
      return "tcp";
  }
  return "unknown";
}

} // namespace fastptm::transport
