// TemplateProcessing and BertProcessing; anything else is refused by name.
#include "engine/tokenizer/frames_json.hpp"

#include <algorithm>

#include "engine/tokenizer/json_reading.hpp"
#include "engine/tokenizer/tokenizer_texts.hpp"

namespace fastptm::engine {
namespace {

using core::fail;
using core::json_value;

constexpr size_t max_frame_items = 16; // BERT's pair has five

// Where a text goes: {"id": "A" or "B", "type_id": ...}.
core::result<void> read_text_item(const json_value& text, int32_t token_type, frame& to) {
  const json_value* which = text.find("id");
  const std::string name = which && which->string() ? *which->string() : "";
  if (name != "A" && name != "B")
    return refuse("{}: post_processor: a text of the template is neither A nor B", tokenizer_json_name);
  to.push_back({name == "A" ? frame_item::kind::first_text : frame_item::kind::second_text, 0, token_type});
  return {};
}

// A special token by its name in the processor's own table, which may give several ids.
core::result<void> read_special_item(const json_value& processor, const json_value& special, int32_t token_type,
                                     frame& to) {
  const json_value* name = special.find("id");
  const json_value* table = processor.find("special_tokens");
  const json_value* entry = name && name->string() && table ? table->find(*name->string()) : nullptr;
  const json_value* listed = entry ? entry->find("ids") : nullptr;
  if (!listed || !listed->array())
    return refuse("{}: post_processor: a template item is neither text nor a known token", tokenizer_json_name);
  for (const json_value& value : *listed->array()) {
    const auto id = id_of(value);
    if (!id || to.size() >= max_frame_items)
      return refuse("{}: post_processor: bad or too many special token ids", tokenizer_json_name);
    to.push_back({frame_item::kind::special, *id, token_type});
  }
  return {};
}

core::result<void> read_template_item(const json_value& processor, const json_value& item, frame& to) {
  const json_value* text = item.find("Sequence");
  const json_value* special = item.find("SpecialToken");
  const json_value* what = text ? text : special;
  if (!what)
    return refuse("{}: post_processor: a template item is neither text nor a known token", tokenizer_json_name);
  const json_value* type = what->find("type_id");
  const auto token_type = type ? id_of(*type) : 0;
  if (!token_type) return refuse("{}: post_processor: a type_id is no integer from 0 to 2^31-1", tokenizer_json_name);
  return text ? read_text_item(*text, *token_type, to) : read_special_item(processor, *special, *token_type, to);
}

size_t count_of(const frame& in, frame_item::kind what) {
  return static_cast<size_t>(std::count_if(in.begin(), in.end(), [&](const auto& item) { return item.what == what; }));
}

core::result<frame> read_template(const json_value& processor, std::string_view key, size_t second_texts) {
  const json_value* items = processor.find(key);
  if (!items || !items->array())
    return refuse("{}: post_processor.{} is missing or not a list", tokenizer_json_name, key);
  frame read;
  for (const json_value& item : *items->array())
    if (auto added = read_template_item(processor, item, read); !added) return fail(added.error());
  if (count_of(read, frame_item::kind::first_text) != 1 ||
      count_of(read, frame_item::kind::second_text) != second_texts)
    return refuse("{}: post_processor.{} must contain each text exactly once", tokenizer_json_name, key);
  return read;
}

core::result<void> read_templates(const json_value& processor, text_frames& frames) {
  auto single = read_template(processor, "single", 0);
  if (!single) return fail(single.error());
  frames = {std::move(*single), {}};
  const json_value* listed = member(processor, "pair");
  if (!listed || (listed->array() && listed->array()->empty())) return {};
  auto pair = read_template(processor, "pair", 1);
  if (!pair) return fail(pair.error());
  frames.pair = std::move(*pair);
  return {};
}

// BertProcessing: {"cls": ["[CLS]", 101], "sep": ["[SEP]", 102]}.
core::result<int32_t> read_token_and_id(const json_value& processor, std::string_view key) {
  const json_value* pair = processor.find(key);
  const auto* parts = pair ? pair->array() : nullptr;
  const auto id = parts && parts->size() == 2 ? id_of((*parts)[1]) : std::nullopt;
  if (!id) return refuse("{}: post_processor.{} is not a pair of token and id", tokenizer_json_name, key);
  return *id;
}

} // namespace

core::result<void> read_frames(const json_value& document, text_frames& frames) {
  const std::string type = type_of(document, "post_processor");
  if (type == "none") return {};
  const json_value& processor = *member(document, "post_processor");
  if (type == "TemplateProcessing") return read_templates(processor, frames);
  if (type != "BertProcessing")
    return refuse("{}: post_processor '{}' is not supported: TemplateProcessing and BertProcessing are",
                  tokenizer_json_name, type);
  const auto first = read_token_and_id(processor, "cls");
  if (!first) return fail(first.error());
  const auto last = read_token_and_id(processor, "sep");
  if (!last) return fail(last.error());
  frames = bert_frames(*first, *last);
  return {};
}

} // namespace fastptm::engine
