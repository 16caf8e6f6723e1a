// The families that are served, found by name; and what follows from an architecture whatever its family is.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "models/family.hpp"
#include "weights/format/manifest.hpp"

namespace fastptm::models {

// In the order of the table.
std::span<const family* const> families();
// "bert, distilbert": for messages and help.
std::string family_names();

// Null when no such family is served.
const family* find_family(std::string_view name);

// errc::invalid: no such family, or numbers out of bounds.
core::result<weights::model_facts> describe(const weights::architecture& arch);

// The same, and whether the task suits it.
core::result<weights::model_facts> describe(const weights::architecture& arch, const weights::task& job);

// Requires: describe(arch) succeeded.
std::vector<weights::shard_layout> layout_of(const weights::architecture& arch, const weights::task& job);
std::unique_ptr<skeleton> make_skeleton(const weights::architecture& arch);

// Reads a manifest and checks everything: bounds, shard count and sizes against the layout, chunk counts, and that the
// bytes are canonical. errc::corrupt otherwise.
core::result<weights::manifest> decode_manifest(std::span<const std::byte> bytes);

} // namespace fastptm::models
