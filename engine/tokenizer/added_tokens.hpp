// Tokens that stand beside a vocabulary: which there are, and which ids they get.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/error.hpp"

namespace fastptm::engine {

// One token as the files declare it.
struct added_token {
  std::string content;
  bool single_word = false; // only where no letter, digit, mark or connector stands beside it
  bool strips_left = false; // takes the white space in front of it
  bool strips_right = false;
  bool normalized = false; // looked for in the normalised text
  bool special = false;

  bool operator==(const added_token&) const = default;
};

// A token to look for, with its id.
struct known_token {
  std::string content;
  bool normalized = false;
  int32_t id = 0;
  added_token rules;    // of the token that has the id now
  bool implied = false; // no file lists it: it only has a role, as BERT's [MASK] has
};

// Collects declarations as the tokenizers library does: in the order of the files, batch after batch. Used by one
// thread while a tokenizer is made.
class added_tokens {
public:
  // Far above what people add (a few thousand), and what the automaton over them may cost: some 30 bytes for each byte.
  static constexpr size_t most_tokens = 32'768;
  static constexpr size_t most_bytes = 512 << 10;

  // Requires: the keys of `vocabulary` outlive this.
  explicit added_tokens(const std::unordered_map<std::string_view, int32_t>& vocabulary) : vocabulary_(vocabulary) {}

  // A token of the vocabulary keeps its id, a new one gets the next free. errc::invalid beyond the bounds above.
  core::result<void> add(const std::vector<added_token>& batch);

  bool has(std::string_view content) const { return ids_.contains(std::string(content)); }

  // Everything to look for; of equal ones the first counts.
  std::vector<known_token> known() const;

private:
  int32_t id_for(const std::string& content) const;
  bool stands(const added_token& token) const; // exactly this declaration

  const std::unordered_map<std::string_view, int32_t>& vocabulary_;
  std::unordered_map<std::string, int32_t> ids_;
  std::unordered_map<int32_t, added_token> by_id_;
  std::vector<added_token> special_; // each content once, as it was declared first
  std::vector<added_token> ordinary_;
  std::unordered_set<std::string> special_contents_;
  int32_t highest_id_ = -1; // of those above
  size_t bytes_ = 0;
};

} // namespace fastptm::engine
