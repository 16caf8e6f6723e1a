// The option --special-tokens of `publish` and `tokenize`.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "engine/tokenizer.hpp"

namespace fastptm::cli {

inline void add_special_tokens_option(CLI::App& command, engine::special_tokens& chosen) {
  command
      .add_option_function<std::string>(
          "--special-tokens",
          [&chosen](const std::string& word) {
            chosen = word == "text" ? engine::special_tokens::text : engine::special_tokens::library;
          },
          "A special token spelled out in a text is that token, as with the library, or ordinary text")
      ->check(CLI::Validator(
          [](const std::string& word) {
            return word == "library" || word == "text" ? std::string() : "'" + word + "': write library or text";
          },
          "library|text"));
}

} // namespace fastptm::cli
