// A small JSON file of a model folder, which may be missing.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "core/error.hpp"
#include "core/json.hpp"

namespace fastptm::weights {

// These files are a few hundred bytes; the bound is generous.
inline constexpr uint64_t max_json_file_bytes = 1 << 20;

// Nothing when the folder has no such name. A link without its file is an error, not a missing file: what a broken
// download lacks must not change what a model means.
core::result<std::optional<core::json_value>> read_json_file(const std::filesystem::path& folder,
                                                             const std::string& name);

} // namespace fastptm::weights
