// Splits text as BERT models were trained to see it: clean, space CJK, strip accents, lower-case, split at marks.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace fastptm::engine {

// The steps of Hugging Face's BertNormalizer, in its order; the split is its BertPreTokenizer.
struct bert_text_options {
  bool clean_text = true;
  bool space_chinese_characters = true;
  bool strip_accents = true;
  bool lowercase = true;
};

// Appends the normalised text, always valid UTF-8.
void bert_normalise(std::string_view text, const bert_text_options& options, std::string& to);

// Takes a piece off the text's front and appends it normalised: what is left begins with a space, or nothing is left.
// Piece after piece gives what bert_normalise gives of the whole: for who needs only a text's beginning.
void bert_normalise_piece(std::string_view& text, const bert_text_options& options, std::string& to);

// Hands out the words of a normalised text one at a time. Owned by one thread; `normalised` must outlive it.
class bert_words {
public:
  explicit bert_words(std::string_view normalised) : text_(normalised) {}

  // The next word, never empty; empty at the end of the text.
  std::string_view next();

private:
  std::string_view text_;
  size_t at_ = 0;
};

// Lower case as Python has it, with a look at neighbours (a final sigma): what sentence-transformers does to a text
// before the tokenizer sees it, where its configuration says so.
std::string python_lower(std::string_view text);

} // namespace fastptm::engine
