// Finds strings of a set in a text: at every place the longest that begins there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/tokenizer/byte_trie.hpp"

namespace fastptm::engine {

// Aho and Corasick's automaton over the reversed strings: one pass over the text from its end gives, for every place,
// the longest string that begins there. So the time is linear in the text whatever the strings and the text are, which
// no automaton that runs forward and starts again after each match can promise. Built by one thread, then only read.
class longest_match {
public:
  struct match {
    size_t begin = 0;
    size_t end = 0;
    uint32_t which = 0; // index into the strings
  };

  static constexpr uint32_t none = byte_trie::none;

  // Empty strings match nothing; of equal ones the first counts.
  explicit longest_match(const std::vector<std::string_view>& strings);

  // Leftmost first, none over another.
  std::vector<match> find(std::string_view text) const;

  // For every byte of the text, the longest string that begins there, or none.
  void find_at_every_place(std::string_view text, std::vector<uint32_t>& which) const;
  size_t length_of(uint32_t which) const { return length_[which]; }

private:
  void link();
  byte_trie::node next(byte_trie::node from, char byte) const;

  byte_trie reversed_;
  std::vector<byte_trie::node> fail_; // the longest proper suffix that is a node too
  std::vector<uint32_t> longest_;     // the longest string that ends at the node, or none
  std::vector<uint32_t> length_;      // of each string
};

} // namespace fastptm::engine
