// The card: a magic line, the size of the usage, the usage as a Cap'n Proto message, the tokenizer's part.
// The size has 64 bits, little-endian. Cap'n Proto's exceptions end here.
#include "weights/format/usage.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <fmt/format.h>

#include "core/log.hpp"
#include "schemas/usage.capnp.h"
#include "weights/format/hash.hpp"

namespace fastptm::weights {

namespace {

constexpr uint16_t usage_format = 1;
constexpr std::string_view magic = "fastptm-model-card-1\n";
constexpr size_t card_head_bytes = magic.size() + sizeof(uint64_t);
// Names of the library's own, which need not stand in a model's files.
constexpr std::string_view built_in_prompts[] = {"query", "document"};

// Names may hold any character.
capnp::Text::Reader to_text(const std::string& from) {
  return {from.data(), from.size()};
}
std::string from_text(capnp::Text::Reader from) {
  return {from.begin(), from.size()};
}

tl::unexpected<core::error> broken(std::string_view why) {
  return core::fail(core::errc::corrupt, fmt::format("model card: {}: publish the model again", why));
}

// Where the usage ends and the tokenizer's files begin; 0: there is none.
core::result<size_t> usage_end(std::string_view card) {
  if (!card.starts_with(magic)) return 0;
  if (card.size() < card_head_bytes) return broken("too short");
  uint64_t size_bytes = 0;
  for (unsigned i = 0; i < sizeof size_bytes; ++i)
    size_bytes |= static_cast<uint64_t>(static_cast<unsigned char>(card[magic.size() + i])) << (8 * i);
  if (size_bytes > max_usage_bytes) return broken("too long");
  return card_head_bytes + size_bytes;
}

std::string encode(const usage& how) {
  capnp::MallocMessageBuilder message;
  auto to = message.initRoot<schema::Usage>();
  to.setFormat(usage_format);
  auto prompts = to.initPrompts(static_cast<unsigned>(how.prompts.size()));
  for (unsigned i = 0; i < prompts.size(); ++i) {
    prompts[i].setName(to_text(how.prompts[i].name));
    prompts[i].setText(to_text(how.prompts[i].text));
  }
  to.setDefaultPrompt(to_text(how.default_prompt));
  to.setPoolsPrompt(how.pools_prompt);
  auto labels = to.initLabels(static_cast<unsigned>(how.labels.size()));
  for (unsigned i = 0; i < labels.size(); ++i) labels.set(i, to_text(how.labels[i]));
  to.setScoring(static_cast<uint8_t>(how.scores));
  const auto words = capnp::messageToFlatArray(message);
  const auto bytes = words.asBytes();
  return {reinterpret_cast<const char*>(bytes.begin()), bytes.size()};
}

// What an import lets through: lists of empty structs cost a stranger no bytes, and us memory for each.
bool is_bounded(schema::Usage::Reader from) {
  if (from.getPrompts().size() > max_prompts || from.getLabels().size() > max_labels_bytes) return false;
  for (const auto each : from.getPrompts())
    if (each.getName().size() > max_use_name_bytes || each.getText().size() > max_prompt_bytes) return false;
  size_t label_bytes = 0;
  for (const auto each : from.getLabels()) label_bytes += each.size();
  return from.getDefaultPrompt().size() <= max_use_name_bytes && label_bytes <= max_labels_bytes;
}

usage read(schema::Usage::Reader from) {
  usage how;
  for (const auto each : from.getPrompts())
    how.prompts.push_back({from_text(each.getName()), from_text(each.getText())});
  how.default_prompt = from_text(from.getDefaultPrompt());
  how.pools_prompt = from.getPoolsPrompt();
  for (const auto each : from.getLabels()) how.labels.push_back(from_text(each));
  how.scores = static_cast<scoring>(from.getScoring());
  return how;
}

core::result<usage> decode(std::string_view bytes) {
  if (bytes.size() % sizeof(capnp::word) != 0) return broken("wrong size");
  // A copy: a reader needs aligned words.
  std::vector<capnp::word> words(bytes.size() / sizeof(capnp::word));
  if (words.empty()) return broken("no usage in it");
  std::memcpy(words.data(), bytes.data(), bytes.size());
  core::result<usage> how;
  const auto trouble = kj::runCatchingExceptions([&] {
    capnp::FlatArrayMessageReader message({words.data(), words.size()});
    const auto root = message.getRoot<schema::Usage>();
    if (root.getFormat() != usage_format || root.getScoring() > static_cast<uint8_t>(scoring::value))
      how = broken(fmt::format("usage of format {}", root.getFormat()));
    else if (!is_bounded(root))
      how = broken("more prompts or labels than a model may have");
    else
      how = read(root);
  });
  if (trouble != nullptr) return broken("damaged usage");
  return how;
}

std::string names_of_prompts(const usage& of) {
  std::vector<std::string_view> names(std::begin(built_in_prompts), std::end(built_in_prompts));
  for (const auto& each : of.prompts) names.push_back(each.name);
  std::ranges::sort(names);
  const auto repeated = std::ranges::unique(names);
  names.erase(repeated.begin(), repeated.end());
  std::string text;
  for (const auto name : names) text += fmt::format("{}{}", text.empty() ? "" : ", ", core::printable(name, 60));
  return text;
}

} // namespace

core::result<std::string_view> prompt_named(const usage& of, std::string_view name) {
  const std::string_view wanted = name.empty() ? std::string_view(of.default_prompt) : name;
  if (wanted.empty()) return std::string_view();
  for (const auto& each : of.prompts)
    if (each.name == wanted) return std::string_view(each.text);
  if (std::ranges::find(built_in_prompts, wanted) != std::end(built_in_prompts)) return std::string_view();
  return core::fail(core::errc::invalid, fmt::format("no prompt '{}': the model has {}", core::printable(wanted, 60),
                                                     core::printable(names_of_prompts(of), 300)));
}

float score_of(scoring how, float logit) {
  return how == scoring::any_of ? 1 / (1 + std::exp(-logit)) : logit;
}

std::string join_card(const usage& how, std::string_view tokenizer) {
  if (how == usage{}) return std::string(tokenizer);
  const std::string encoded = encode(how);
  std::string card(magic);
  for (unsigned shift = 0; shift < 64; shift += 8) card += static_cast<char>((encoded.size() >> shift) & 0xFF);
  return card.append(encoded).append(tokenizer);
}

core::result<card_parts> split_card(std::string_view card) {
  const auto end = usage_end(card);
  if (!end) return core::fail(end.error());
  if (*end == 0) return card_parts{{}, card};
  if (*end > card.size()) return broken("too short");
  auto how = decode(card.substr(card_head_bytes, *end - card_head_bytes));
  if (!how) return core::fail(how.error());
  return card_parts{std::move(*how), card.substr(*end)};
}

core::result<card_parts> split_card(std::string_view card, const core::digest& name) {
  if (sha256(card) != name) return broken("its bytes are not those it is named by");
  return split_card(card);
}

} // namespace fastptm::weights
