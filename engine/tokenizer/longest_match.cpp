// Building the automaton, and the two passes of a search.
#include "engine/tokenizer/longest_match.hpp"

#include <algorithm>
#include <string>

namespace fastptm::engine {

using node = byte_trie::node;

namespace {

byte_trie trie_of_reversed(const std::vector<std::string_view>& strings) {
  std::vector<std::string> reversed;
  reversed.reserve(strings.size());
  for (const auto text : strings) reversed.emplace_back(text.rbegin(), text.rend());
  return byte_trie({reversed.begin(), reversed.end()});
}

} // namespace

longest_match::longest_match(const std::vector<std::string_view>& strings) : reversed_(trie_of_reversed(strings)) {
  length_.reserve(strings.size());
  for (const auto text : strings) length_.push_back(static_cast<uint32_t>(text.size()));
  link();
}

// Level by level: what a node falls back to lies nearer to the root than the node itself.
void longest_match::link() {
  fail_.assign(reversed_.size(), byte_trie::root);
  longest_.assign(reversed_.size(), none);
  for (node parent = 0; parent < reversed_.size(); ++parent)
    for (auto [at, end] = reversed_.children(parent); at < end; ++at) {
      if (parent != byte_trie::root) fail_[at] = next(fail_[parent], reversed_.byte_of(at));
      longest_[at] = reversed_.string_at(at) != none ? reversed_.string_at(at) : longest_[fail_[at]];
    }
}

node longest_match::next(node from, char byte) const {
  for (node at = from;; at = fail_[at]) {
    const node to = reversed_.step(at, byte);
    if (to != byte_trie::none) return to;
    if (at == byte_trie::root) return byte_trie::root;
  }
}

void longest_match::find_at_every_place(std::string_view text, std::vector<uint32_t>& which) const {
  which.resize(text.size());
  node at = byte_trie::root;
  for (size_t i = text.size(); i-- > 0;) {
    at = next(at, text[i]);
    which[i] = longest_[at];
  }
}

std::vector<longest_match::match> longest_match::find(std::string_view text) const {
  std::vector<match> found; // from the end of the text: one for every place where a string begins
  node at = byte_trie::root;
  for (size_t i = text.size(); i-- > 0;) {
    at = next(at, text[i]);
    if (longest_[at] != none) found.push_back({i, i + length_[longest_[at]], longest_[at]});
  }
  std::reverse(found.begin(), found.end());
  size_t free_from = 0;
  std::erase_if(found, [&](const match& each) {
    if (each.begin < free_from) return true;
    free_from = each.end;
    return false;
  });
  return found;
}

} // namespace fastptm::engine
