// Reads the kernel's boot id.
#include "transport/address.hpp"

#include <fstream>
#include <sys/stat.h>

namespace fastptm::transport {

std::string this_boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  // Another network namespace cannot reach our abstract sockets, and behaves as another machine on purpose.
  struct stat network {};
  if (!id.empty() && stat("/proc/self/ns/net", &network) == 0) id += "/" + std::to_string(network.st_ino);
  return id;
}

} // namespace fastptm::transport
