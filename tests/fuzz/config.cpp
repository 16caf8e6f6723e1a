// Texts of configurations: each is refused with a line and a reason, or is a cluster that could start.
#include <fcntl.h>
#include <unistd.h>

#include "core/check.hpp"
#include "node/config/config.hpp"

namespace {

// Cap'n Proto 0.9's compiler opens /dev/urandom for every text without an id and never closes it. A process of ours
// reads one configuration, this one reads millions: whatever was opened since the first input is closed after each.
void close_what_the_compiler_left() {
  static const int first_of_later = [] {
    const int lowest_free = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::close(lowest_free);
    return lowest_free;
  }();
  ::close_range(static_cast<unsigned>(first_of_later), ~0u, 0);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fastptm;
  close_what_the_compiler_left();
  const auto parsed = node::parse_config({reinterpret_cast<const char*>(data), size}, "input");
  if (!parsed) {
    core::check(parsed.error().message.starts_with("input"), "a refusal names the file");
    return 0;
  }
  core::check(parsed->head().head, "there is a head");
  for (const auto& node : parsed->nodes)
    core::check(parsed->find_node(node.name) == &node, "nodes have names of their own");
  return 0;
}
