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

void cut(std::vector<int32_t>& ids, size_t kept, bool cuts_left) {
  if (cuts_left) ids.erase(ids.begin(), ids.end() - static_cast<std::ptrdiff_t>(kept));
  ids.resize(kept);
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

encoding framed(const frame& around, text_ids texts, const frame_style& style) {
  const size_t special = special_count(around);
  const size_t room = style.max_tokens > special ? style.max_tokens - special : 0;
  encoding out;
  out.truncated = special + texts.first.size() + texts.second.size() > style.max_tokens;
  const auto kept = longest_first({texts.first.size(), texts.second.size()}, room);
  cut(texts.first, kept.first, style.cuts_left);
  cut(texts.second, kept.second, style.cuts_left);
  for (const auto& item : around) append(out, item, texts);
  if (out.ids.size() > style.max_tokens) {
    out.ids.resize(style.max_tokens);
    out.token_types.resize(style.max_tokens);
  }
  const auto is_zero = [](int32_t type) { return type == 0; };
  if (!style.gives_types || std::all_of(out.token_types.begin(), out.token_types.end(), is_zero))
    out.token_types.clear();
  return out;
}

} // namespace fastptm::engine
