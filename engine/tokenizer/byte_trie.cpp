// Level by level over the sorted strings: a node is a range of strings with the same beginning.
#include "engine/tokenizer/byte_trie.hpp"

#include <algorithm>
#include <deque>
#include <numeric>

namespace fastptm::engine {

namespace {

struct range {
  size_t begin;
  size_t end;
  size_t depth; // bytes that its strings have in common
};

std::vector<uint32_t> sorted_order(const std::vector<std::string_view>& strings) {
  std::vector<uint32_t> order(strings.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return strings[a] < strings[b]; });
  return order;
}

} // namespace

byte_trie::byte_trie(const std::vector<std::string_view>& strings) : byte_{0}, string_{none} {
  const auto order = sorted_order(strings);
  std::deque<range> level{{0, order.size(), 0}}; // ranges whose children are to be made, in the order of their nodes
  while (!level.empty()) {
    auto [at, end, depth] = level.front();
    level.pop_front();
    first_child_.push_back(static_cast<node>(byte_.size()));
    while (at < end && strings[order[at]].size() == depth) ++at; // they end here, and stand in front of longer ones
    while (at < end) {
      const char byte = strings[order[at]][depth];
      const size_t first = at;
      while (at < end && strings[order[at]][depth] == byte) ++at;
      byte_.push_back(byte);
      string_.push_back(strings[order[first]].size() == depth + 1 ? order[first] : none);
      level.push_back({first, at, depth + 1});
    }
  }
  first_child_.push_back(static_cast<node>(byte_.size()));
  first_step_.fill(none);
  for (auto [at, end] = children(root); at < end; ++at) first_step_[static_cast<unsigned char>(byte_[at])] = at;
}

} // namespace fastptm::engine
