// Makes a WordPiece tokenizer's options of the files of a folder, as the transformers library would.
#pragma once

#include "core/error.hpp"
#include "engine/tokenizer/tokenizer_texts.hpp"
#include "engine/tokenizer/wordpiece.hpp"

namespace fastptm::engine {

// tokenizer.json, else vocab.txt (one token a line, the line number is the id), with the files beside them.
// errc::invalid, naming the file, for everything that would give other ids than the library's.
core::result<wordpiece_options> wordpiece_from_files(const tokenizer_texts& texts);

} // namespace fastptm::engine
