// The option --special-tokens of `publish` and `tokenize`.
#pragma once

#include <map>
#include <string>

#include <CLI/CLI.hpp>

#include "engine/tokenizer.hpp"

namespace fastptm::node::commands {

inline void add_special_tokens_option(CLI::App& command, engine::special_tokens& chosen) {
  static const std::map<std::string, engine::special_tokens> words = {{"library", engine::special_tokens::library},
                                                                      {"text", engine::special_tokens::text}};
  command
      .add_option("--special-tokens", chosen,
                  "A special token spelled out in a text is that token, as with the library, or ordinary text")
      ->transform(CLI::CheckedTransformer(words))
      ->type_name("library|text");
}

} // namespace fastptm::node::commands
