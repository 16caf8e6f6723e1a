// How a published model wants to be asked and its answers to be read: prompts, names of labels, what its scores mean.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/digest.hpp"
#include "core/error.hpp"

namespace fastptm::weights {

// Stands before a text, e.g. "query: ".
struct prompt {
  std::string name;
  std::string text;

  bool operator==(const prompt&) const = default;
};

// What the logits of a classifier say. Numbers stand in cards: never reuse one.
enum class scoring : uint8_t {
  one_of = 0, // one label is right
  any_of = 1, // several may be: the sigmoid of each logit is its own score
  value = 2   // regression: the logits are the result
};

struct usage {
  std::vector<prompt> prompts;
  std::string default_prompt;      // its name; empty: none
  bool pools_prompt = true;        // false: the prompt is read, but its tokens do not count in the pooling
  std::vector<std::string> labels; // by index; empty for what does not classify
  scoring scores = scoring::one_of;

  bool operator==(const usage&) const = default;
};

// Prompts are a sentence and labels a few words; the bounds keep a card, and an answer with all labels, small.
inline constexpr size_t max_prompts = 256;
inline constexpr size_t max_prompt_bytes = 8192;
inline constexpr size_t max_use_name_bytes = 256;   // of a prompt or a label
inline constexpr size_t max_labels_bytes = 1 << 20; // all names together

// The text that stands before an input: of the prompt of that name, or the default for an empty name. The library gives
// every model the prompts "query" and "document", empty if its files do not say otherwise.
// errc::invalid lists the names.
core::result<std::string_view> prompt_named(const usage& of, std::string_view name);

// A label's score by its logit.
float score_of(scoring how, float logit);

// A card is what the gateway needs of a model besides its weights, as one object of the store: its usage and the
// tokenizer's files (`tokenizer` is opaque here, and may be empty). Empty when both say nothing.
std::string join_card(const usage& how, std::string_view tokenizer);

struct card_parts {
  usage how;
  std::string_view tokenizer; // into the card; empty: the model brings none
};

// A card of the tokenizer's files alone, as earlier versions wrote it, has the usage that says nothing. errc::corrupt.
core::result<card_parts> split_card(std::string_view card);
// Of bytes that the store has under this name. errc::corrupt, too, where they are others: another letter in a
// vocabulary would be another model's answer.
core::result<card_parts> split_card(std::string_view card, const core::digest& name);

// Of the part before the tokenizer's files.
inline constexpr size_t max_usage_bytes = 8 << 20;

} // namespace fastptm::weights
