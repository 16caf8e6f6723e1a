// Splits text into words as BERT models were trained to see it: clean, space CJK, strip accents, lower-case, split
// punctuation.
#pragma once

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

// Hands out the words of a text one at a time, normalising only as far as asked: a caller that has enough tokens stops
// and pays nothing for the rest. Owned by one thread; `text` must outlive it.
class bert_words {
public:
  bert_words(std::string_view text, const bert_text_options& options) : rest_(text), options_(options) {}

  // The next word, never empty, valid UTF-8, valid until the next call; empty at the end of the text.
  std::string_view next();

private:
  // Normalises the next piece of text that ends at a space. False at the end.
  bool refill();

  std::string_view rest_;
  bert_text_options options_;
  std::string piece_; // normalised, not yet handed out from at_ on
  std::string scratch_;
  size_t at_ = 0;
};

} // namespace fastptm::engine
