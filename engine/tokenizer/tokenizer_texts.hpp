// The texts of a model's tokenizer files, and how to take them.
#pragma once

#include <string>
#include <string_view>

#include "engine/tokenizer.hpp"

namespace fastptm::engine {

constexpr std::string_view tokenizer_json_name = "tokenizer.json";
constexpr std::string_view vocabulary_name = "vocab.txt";
constexpr std::string_view tokenizer_config_name = "tokenizer_config.json";
constexpr std::string_view sentence_config_name = "sentence_bert_config.json";
constexpr std::string_view special_tokens_map_name = "special_tokens_map.json";
constexpr std::string_view added_tokens_name = "added_tokens.json";
constexpr std::string_view model_config_name = "config.json";

// Empty text: not there.
struct tokenizer_texts {
  std::string tokenizer_json;
  std::string vocabulary;
  std::string tokenizer_config;
  std::string sentence_config;
  std::string special_tokens_map;
  std::string added_tokens;
  std::string model_class; // config.json's tokenizer_class
  special_tokens spelled_out = special_tokens::library;

  // Packed when only tokenizer.json, or vocab.txt with tokenizer_config.json, decided: such models keep their ids.
  bool by_first_rules = false;
};

} // namespace fastptm::engine
