// Names as they cross.
#include "transport/sockets/wire.hpp"

#include <algorithm>

namespace fastptm::transport::sockets::wire {

std::string asker_role(std::string_view name) {
  return "asker of sockets " + std::string(name);
}

std::array<char, name_bytes> padded(std::string_view name) {
  std::array<char, name_bytes> out{};
  std::copy_n(name.begin(), std::min(name.size(), out.size()), out.begin());
  return out;
}

std::string unpadded(const std::array<char, name_bytes>& name) {
  return {name.begin(), std::find(name.begin(), name.end(), '\0')};
}

} // namespace fastptm::transport::sockets::wire
