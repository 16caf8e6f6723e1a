// Cards of published models, as a store hands them out: how to ask, and the tokenizer's files.
#include "engine/tokenizer/card.hpp"

#include "core/check.hpp"
#include "weights/format/usage.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fastptm;
  const std::string_view card(reinterpret_cast<const char*>(data), size);
  const auto parts = weights::split_card(card);
  if (!parts) return 0;
  if (parts->how == weights::usage{}) return 0; // is joined to the tokenizer's files alone, whatever they are
  const auto again = weights::join_card(parts->how, parts->tokenizer);
  const auto reread = weights::split_card(again);
  core::check(reread && reread->how == parts->how && reread->tokenizer == parts->tokenizer, "joining undoes splitting");

  const auto texts = engine::unpack_texts(parts->tokenizer);
  if (!texts || texts->by_first_rules) return 0; // the first form is only read
  const auto packed = engine::pack_texts(*texts);
  core::check(packed.has_value(), "what was unpacked can be packed");
  const auto unpacked = engine::unpack_texts(*packed);
  core::check(unpacked && unpacked->tokenizer_json == texts->tokenizer_json, "unpacking undoes packing");
  return 0;
}
