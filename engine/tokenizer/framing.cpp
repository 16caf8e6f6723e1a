// The arithmetic of the tokenizers library: its truncation `longest_first`, its post-processors.
#include "engine/tokenizer/framing.hpp"

#include <algorithm>
#include <utility>

namespace fastptm::engine {
namespace {

using kind = frame_item::kind;

struct pair_lengths {
  size_t first = 0;
  size_t second = 0;
};

// The longer text gives first. Once both are too long each gets half, and the odd one goes to the longer of them.
pair_lengths longest_first(pair_lengths had, size_t room) {
  if (had.first + had.second <= room) return had;
  const bool swapped = had.first > had.second;
  size_t shorter = std::min(had.first, had.second);
  size_t longer = shorter > room ? shorter : std::max(shorter, room - shorter);
  if (shorter + longer > room) {
    shorter = room / 2;
    longer = shorter + room % 2;
  }
  return swapped ? pair_lengths{longer, shorter} : pair_lengths{shorter, longer};
}

size_t special_count(const frame& around) {
  return static_cast<size_t>(
      std::count_if(around.begin(), around.end(), [](const auto& item) { return item.what == kind::special; }));
}

void append(encoding& to, const frame_item& item, const text_ids& texts) {
  if (item.what == kind::special)
    to.ids.push_back(item.id);
  else {
    const auto& ids = item.what == kind::first_text ? texts.first : texts.second;
    to.ids.insert(to.ids.end(), ids.begin(), ids.end());
  }
  to.token_types.resize(to.ids.size(), item.token_type);
}

} // namespace

text_frames bert_frames(int32_t first_id, int32_t last_id) {
  const frame single = {{kind::special, first_id, 0}, {kind::first_text, 0, 0}, {kind::special, last_id, 0}};
  frame pair = single;
  pair.push_back({kind::second_text, 0, 1});
  pair.push_back({kind::special, last_id, 1});
  return {single, std::move(pair)};
}

text_frames bare_frames() {
  return {{{kind::first_text, 0, 0}}, {{kind::first_text, 0, 0}, {kind::second_text, 0, 1}}};
}

encoding framed(const frame& around, text_ids texts, size_t max_tokens) {
  const size_t special = special_count(around);
  const size_t room = max_tokens > special ? max_tokens - special : 0;
  encoding out;
  out.tokens_before_cut = special + texts.first.size() + texts.second.size();
  out.truncated = out.tokens_before_cut > max_tokens;
  const auto kept = longest_first({texts.first.size(), texts.second.size()}, room);
  texts.first.resize(kept.first);
  texts.second.resize(kept.second);
  for (const auto& item : around) append(out, item, texts);
  if (out.ids.size() > max_tokens) {
    out.ids.resize(max_tokens);
    out.token_types.resize(max_tokens);
  }
  if (std::all_of(out.token_types.begin(), out.token_types.end(), [](int32_t type) { return type == 0; }))
    out.token_types.clear();
  return out;
}

} // namespace fastptm::engine
