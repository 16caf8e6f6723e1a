// tokenizer.json: the vocabulary, the rules for text and the frames of a WordPiece tokenizer, as the file has them.
#pragma once

#include "core/error.hpp"
#include "core/json.hpp"
#include "engine/tokenizer/wordpiece.hpp"

namespace fastptm::engine {

// Model WordPiece, BertNormalizer, BertPreTokenizer, TemplateProcessing or BertProcessing or none. Of its own
// truncation only the side counts: a request's length is the model card's business, and we never pad. Added tokens are
// not read here.
core::result<wordpiece_options> wordpiece_from_json(const core::json_value& document);

} // namespace fastptm::engine
