// Texts of configurations: each is refused with a line and a reason, or is a cluster that could start.
#include "node/config/config.hpp"

#include "core/check.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fastptm;
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
