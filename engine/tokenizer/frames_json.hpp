// The `post_processor` of tokenizer.json: which special tokens stand around a text, and around two.
#pragma once

#include "core/error.hpp"
#include "core/json.hpp"
#include "engine/tokenizer/framing.hpp"

namespace fastptm::engine {

// Leaves `frames` as they are where the file has no post-processor.
core::result<void> read_frames(const core::json_value& document, text_frames& frames);

} // namespace fastptm::engine
