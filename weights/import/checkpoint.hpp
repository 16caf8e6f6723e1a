// The tensors of a model folder, in one safetensors file or in several with an index.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "weights/import/import_plan.hpp"
#include "weights/import/regular_file.hpp"
#include "weights/import/safetensors.hpp"

namespace fastptm::weights {

struct checkpoint_tensor {
  safetensor facts;
  size_t file = 0; // index into checkpoint::files
};

struct checkpoint {
  std::vector<regular_file> files;
  std::map<std::string, checkpoint_tensor, std::less<>> tensors;
  std::vector<folder_file> uploads; // the files of it, index included
};

// Opens model.safetensors, or what model.safetensors.index.json lists. File names in the index must be plain names, and
// index and files must agree on every tensor.
core::result<checkpoint> open_checkpoint(const std::filesystem::path& folder);

} // namespace fastptm::weights
