// Reads a whole small file that somebody else provides: regular files only, never more than the stated bound.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "core/error.hpp"

namespace fastptm::weights {

// `name` is how messages call the file. errc::not_found when nothing is there; errc::invalid for folders, pipes, devices
// and for more than max_bytes. Links to regular files are followed: model caches are made of them.
core::result<std::string> read_small_file(const std::filesystem::path& file, std::string_view name, size_t max_bytes);

} // namespace fastptm::weights
