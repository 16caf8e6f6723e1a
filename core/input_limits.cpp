// One wording for every way in which an input is wrong.
#include "core/input_limits.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace fastptm::core {

namespace {

tl::unexpected<error> refuse(std::string text) {
  return fail(errc::invalid, std::move(text));
}

// The place of the first value that is not below the bound; the size when there is none.
size_t first_outside(std::span<const int32_t> values, uint32_t bound) {
  const auto at = std::ranges::find_if(
      values, [bound](int32_t value) { return value < 0 || static_cast<uint32_t>(value) >= bound; });
  return static_cast<size_t>(at - values.begin());
}

result<void> check_types(const input_limits& limits, std::span<const int32_t> types, size_t count) {
  if (types.empty()) return {};
  if (types.size() != count)
    return refuse(fmt::format("{} token types for {} ids: give one for each id, or none", types.size(), count));
  // Zero is what a model without types has for every token.
  const auto at = first_outside(types, std::max(limits.token_types, 1u));
  if (at == types.size()) return {};
  if (limits.token_types == 0)
    return refuse(
        fmt::format("token type {} at place {}: {} knows no types, leave them out", types[at], at, limits.model));
  return refuse(
      fmt::format("token type {} at place {}: {} knows 0 to {}", types[at], at, limits.model, limits.token_types - 1));
}

} // namespace

result<void> check_input(const input_limits& limits, std::span<const int32_t> ids, std::span<const int32_t> token_types,
                         uint32_t unpooled) {
  if (ids.empty()) return refuse("the input has no tokens: give at least one id");
  if (ids.size() > limits.max_tokens)
    return refuse(fmt::format("the input has {} tokens, {} reads at most {}: shorten it", ids.size(), limits.model,
                              limits.max_tokens));
  if (const auto at = first_outside(ids, limits.vocabulary); at != ids.size())
    return refuse(fmt::format("token id {} at place {} is outside of the vocabulary of {}: use 0 to {}", ids[at], at,
                              limits.model, limits.vocabulary - 1));
  if (auto ok = check_types(limits, token_types, ids.size()); !ok) return ok;
  if (unpooled >= ids.size()) return refuse("the prompt leaves no token of the text: shorten the prompt");
  return {};
}

} // namespace fastptm::core
