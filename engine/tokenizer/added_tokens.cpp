// The rules are those of the tokenizers library (added_vocabulary.rs).
#include "engine/tokenizer/added_tokens.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace fastptm::engine {

core::result<void> added_tokens::add(const std::vector<added_token>& batch) {
  for (const auto& token : batch)
    if (token.special && !token.content.empty() && special_contents_.insert(token.content).second)
      special_.push_back(token);
  for (const auto& token : batch) {
    if (token.content.empty() || stands(token)) continue;
    const int32_t id = id_for(token.content);
    ids_.insert_or_assign(token.content, id);
    by_id_.insert_or_assign(id, token);
    highest_id_ = std::max(highest_id_, id);
    if (!special_contents_.contains(token.content)) ordinary_.push_back(token);
    bytes_ += token.content.size();
    if (ids_.size() > most_tokens || bytes_ > most_bytes)
      return core::fail(core::errc::invalid,
                        fmt::format("added tokens: more than {} or longer than {} bytes in all: put them into the "
                                    "vocabulary",
                                    most_tokens, most_bytes));
  }
  return {};
}

int32_t added_tokens::id_for(const std::string& content) const {
  if (const auto had = ids_.find(content); had != ids_.end()) return had->second;
  if (const auto there = vocabulary_.find(content); there != vocabulary_.end()) return there->second;
  return std::max(highest_id_ + 1, static_cast<int32_t>(vocabulary_.size()));
}

bool added_tokens::stands(const added_token& token) const {
  const auto id = ids_.find(token.content);
  if (id == ids_.end()) return false;
  const auto there = by_id_.find(id->second);
  return there != by_id_.end() && there->second == token;
}

std::vector<known_token> added_tokens::known() const {
  std::vector<known_token> all;
  all.reserve(special_.size() + ordinary_.size());
  for (const auto* list : {&special_, &ordinary_})
    for (const auto& token : *list) {
      const int32_t id = ids_.at(token.content);
      all.push_back({token.content, token.normalized, id, by_id_.at(id)});
      all.back().rules.special = special_contents_.contains(all.back().rules.content);
    }
  return all;
}

} // namespace fastptm::engine
