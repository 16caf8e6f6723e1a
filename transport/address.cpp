// Reads the kernel's boot id.
#include "transport/address.hpp"

#include <fstream>

namespace fastptm::transport {

std::string this_boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id;
}

} // namespace fastptm::transport
