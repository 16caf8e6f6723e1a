// The texts of a tokenizer's files as one object for the content store.
#pragma once

#include <string>
#include <string_view>

#include "core/error.hpp"
#include "engine/tokenizer/tokenizer_texts.hpp"

namespace fastptm::engine {

// The same texts always give the same bytes. errc::invalid beyond max_card_bytes.
core::result<std::string> pack_texts(const tokenizer_texts& texts);

// Cards of both forms; errc::corrupt when the bytes are no card.
core::result<tokenizer_texts> unpack_texts(std::string_view card);

} // namespace fastptm::engine
