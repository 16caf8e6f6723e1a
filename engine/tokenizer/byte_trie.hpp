// A set of byte strings as a trie: what a matcher walks, one byte at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace fastptm::engine {

// Made once, then only read. Nodes are numbered level by level, so the children of one lie together and a node costs
// nine bytes: vocabularies have millions of them.
class byte_trie {
public:
  using node = uint32_t;
  static constexpr node root = 0;
  static constexpr uint32_t none = UINT32_MAX;

  // Of equal strings the first counts; the empty one ends nowhere. They need not outlive this. Requires: fewer than
  // 2^32 bytes in all.
  explicit byte_trie(const std::vector<std::string_view>& strings);

  // The node one byte further; none where no string goes on like that.
  node step(node from, char byte) const {
    if (from == root) return first_step_[static_cast<unsigned char>(byte)];
    for (node at = first_child_[from]; at < first_child_[from + 1]; ++at)
      if (byte_[at] == byte) return at;
    return none;
  }

  // The index of the string that ends there, or none.
  uint32_t string_at(node at) const { return string_[at]; }

  std::pair<node, node> children(node of) const { return {first_child_[of], first_child_[of + 1]}; }
  char byte_of(node at) const { return byte_[at]; }
  size_t size() const { return byte_.size(); }

private:
  std::array<node, 256> first_step_; // from the root
  std::vector<node> first_child_;    // one more than there are nodes: where the last one's children end
  std::vector<char> byte_;           // that leads to the node
  std::vector<uint32_t> string_;
};

} // namespace fastptm::engine
