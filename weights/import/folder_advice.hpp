// What people hand in where a model folder belongs, recognised by names alone, and what each of them should do.
#pragma once

#include <filesystem>

#include "core/error.hpp"

namespace fastptm::weights {

// Ok for a folder; else one line that says what is there and what to give.
core::result<void> require_folder(const std::filesystem::path& folder);

// An adapter needs a base model: a folder with one would be served without it, or not at all.
core::result<void> refuse_adapter(const std::filesystem::path& folder);

// The error for a folder without config.json: the root of a download cache, one folder too high, another format. Reads
// a bounded number of names and at most the cache's refs/main.
core::error missing_config(const std::filesystem::path& folder);

// The error for a folder with neither model.safetensors nor its index: weights in another format or under another name.
core::error missing_weights(const std::filesystem::path& folder);

} // namespace fastptm::weights
