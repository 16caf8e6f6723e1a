// Puts a model's special tokens around what it reads, and cuts that to the model's length.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/tokenizer.hpp"

namespace fastptm::engine {

// One place of a frame: a special token, or where a text goes.
struct frame_item {
  enum class kind : uint8_t { special, first_text, second_text };

  kind what = kind::special;
  int32_t id = 0; // of a special token
  int32_t token_type = 0;
};
using frame = std::vector<frame_item>;

// The single one has the first text exactly once, the pair's one both.
struct text_frames {
  frame single;
  frame pair; // empty: the files have no rule for two texts
};

// [CLS] text [SEP], and [CLS] first [SEP] second [SEP] with the types 0 and 1: BERT's.
text_frames bert_frames(int32_t first_id, int32_t last_id);

// Texts alone, the types of a pair still 0 and 1: what the library does without a post-processor.
text_frames bare_frames();

// The ids of one or two texts, as many as there are or at least one more than can be kept.
struct text_ids {
  std::vector<int32_t> first;
  std::vector<int32_t> second; // of a single text: empty
};

struct frame_style {
  size_t max_tokens = 0;
  bool cuts_left = false; // a text that is too long loses its beginning
  bool gives_types = true;
};

// Cuts the texts so that the frame around them has at most max_tokens, and fills it. Where not even the special tokens
// fit, the frame's beginning is what is left.
encoding framed(const frame& around, text_ids texts, const frame_style& style);

} // namespace fastptm::engine
