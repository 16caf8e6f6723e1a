// Text to token ids: what a model folder's tokenizer files say, ready to use, and the same files as one object.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"

namespace fastptm::engine {

// What a model reads of a text, or of a pair of texts.
struct encoding {
  std::vector<int32_t> ids;
  std::vector<int32_t> token_types; // one an id: 0, and 1 for the second text of a pair; empty: all are 0
  bool truncated = false;           // fewer ids than there were tokens
};

// Made once per model, then only read: every member is const and may be called from any thread.
class tokenizer {
public:
  virtual ~tokenizer() = default;

  // A text with the model's special tokens, cut to max_tokens in all, never padded. Broken UTF-8 counts as U+FFFD. A
  // text that loses its end is read as far as it is kept, as a rule.
  virtual encoding encode(std::string_view utf8, size_t max_tokens) const = 0;

  // Two texts read together, with their special tokens: [CLS] first [SEP] second [SEP]. What is too much is taken from
  // the longer one until both are equally long, then from both (the library's `longest_first`). errc::invalid where the
  // model's files have no rule for two texts.
  virtual core::result<encoding> encode_pair(std::string_view first, std::string_view second,
                                             size_t max_tokens) const = 0;
};

// What a special token is that is spelled out in a text: the token, as it is for the library's users, or ordinary text,
// for those who serve strangers' texts.
enum class special_tokens : uint8_t { library, text };

// Whether a model folder brings any tokenizer of a kind we know by name (it may still be refused by load_tokenizer).
bool has_tokenizer(const std::filesystem::path& folder);

// Reads tokenizer.json, else vocab.txt, with the configuration beside it, as the transformers library does.
// errc::not_found when the folder has none of them; errc::invalid, naming the file, for what would give other ids than
// the library's and for ids that are not below `vocabulary` (not checked when there is none).
core::result<std::unique_ptr<tokenizer>> load_tokenizer(const std::filesystem::path& folder,
                                                        std::optional<uint32_t> vocabulary,
                                                        special_tokens spelled_out = special_tokens::library);

// The folder's tokenizer files as one object for the content store: at most max_card_bytes, the same files always give
// the same bytes. Empty when the folder has none. The choice travels with them.
constexpr size_t max_card_bytes = size_t{16} << 20;
core::result<std::string> pack_card(const std::filesystem::path& folder, special_tokens spelled_out);

// The tokenizer of a packed card; errors as load_tokenizer, errc::corrupt when the bytes are no card.
core::result<std::unique_ptr<tokenizer>> unpack_card(std::string_view card, std::optional<uint32_t> vocabulary);

} // namespace fastptm::engine
