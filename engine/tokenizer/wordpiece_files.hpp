// Reads what Hugging Face folders say about a WordPiece tokenizer, from either of the two forms they come in.
#pragma once

#include <string_view>

#include "core/error.hpp"
#include "engine/tokenizer/wordpiece.hpp"

namespace fastptm::engine {

// tokenizer.json: model WordPiece, BertNormalizer, BertPreTokenizer, TemplateProcessing or BertProcessing or none.
// Its own truncation and padding are ignored: a request's length is the model card's business, and we never pad.
core::result<wordpiece_options> wordpiece_from_json(std::string_view tokenizer_json);

// vocab.txt: one token a line, the line number is the id. tokenizer_config.json may be empty: BERT's defaults then.
core::result<wordpiece_options> wordpiece_from_vocabulary(std::string_view vocabulary,
                                                          std::string_view tokenizer_config);

} // namespace fastptm::engine
