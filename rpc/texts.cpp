// A prompt is read together with the text, as one string: a tokenizer may join what stands on both sides of the seam.
#include "rpc/texts.hpp"

#include <algorithm>
#include <utility>

namespace fastptm::rpc {

namespace {

// The library counts a prompt read alone, without the closing special token, and leaves so many tokens out.
uint32_t prompt_length(const engine::tokenizer& with, std::string_view prompt, size_t longest) {
  const auto alone = with.encode(prompt, longest).ids;
  const auto nothing = with.encode({}, longest).ids;
  const bool is_closed = !alone.empty() && !nothing.empty() && alone.back() == nothing.back();
  return static_cast<uint32_t>(alone.size() - (is_closed ? 1 : 0));
}

core::result<text_tokens> read_text(const engine::tokenizer& with, const weights::usage& how, const text_input& input,
                                    size_t longest) {
  const auto prompt = weights::prompt_named(how, input.prompt);
  if (!prompt) return core::fail(prompt.error());
  const std::string first = std::string(*prompt) + input.first;
  text_tokens tokens;
  if (input.second) {
    auto pair = with.encode_pair(first, *input.second, longest);
    if (!pair) return core::fail(pair.error());
    tokens.read = std::move(*pair);
  } else {
    tokens.read = with.encode(first, longest);
  }
  if (!how.pools_prompt && !prompt->empty()) tokens.unpooled = prompt_length(with, *prompt, longest);
  return tokens;
}

} // namespace

kj::Promise<core::result<text_tokens>> texts::encode(const protocol::model_row& model, text_input input,
                                                     core::time_us deadline_us) {
  using tokens = core::result<text_tokens>;
  using usage = core::result<cards::shared<weights::usage>>;
  using tokenizer = core::result<cards::shared<engine::tokenizer>>;
  return cards_.tokenizer_of(model).then(
      [this, model, deadline_us, input = std::move(input)](tokenizer with) mutable -> kj::Promise<tokens> {
        if (!with) return tokens(core::fail(with.error()));
        return cards_.usage_of(model).then([this, with = *with, tenant = model.tenant, longest = model.max_tokens,
                                            deadline_us,
                                            input = std::move(input)](usage how) mutable -> kj::Promise<tokens> {
          if (!how) return tokens(core::fail(how.error()));
          const auto bytes = input.first.size() + (input.second ? input.second->size() : 0);
          return queue_.run({tenant, bytes, deadline_us}, [with, how = *how, longest, input = std::move(input)] {
            return read_text(*with, *how, input, longest);
          });
        });
      });
}

} // namespace fastptm::rpc
