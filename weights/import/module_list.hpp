// Which modules a sentence-transformers folder is made of, by its modules.json.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "core/error.hpp"

namespace fastptm::weights {

inline constexpr const char* modules_file = "modules.json";

struct module_list {
  bool is_there = false; // false: the folder has no modules.json
  std::string
      transformer_folder; // below the model's folder: config.json, weights and tokenizer are there; usually empty
  std::optional<std::string> pooling_folder;
  bool normalize = false;
};

// A module that the engine does not compute is refused by its type and place, and so is another order than Transformer,
// Pooling, Normalize: a wrong embedding looks like a right one. Folders have plain names and nothing leads elsewhere.
core::result<module_list> read_module_list(const std::filesystem::path& folder);

} // namespace fastptm::weights
