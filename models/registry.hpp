// The families that are served, found by name; and what follows from an architecture whatever its family is.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "models/family.hpp"

namespace fastptm::models {

// In the order of the table.
std::span<const family* const> families();
// "bert, distilbert": for messages and help.
std::string family_names();

// Null when no such family is served.
const family* find_family(std::string_view name);

// errc::invalid: no such family, or numbers out of bounds.
core::result<models::model_facts> describe(const models::architecture& arch);

// The same, and whether the task suits it.
core::result<models::model_facts> describe(const models::architecture& arch, const models::task& job);

// Requires: describe(arch) succeeded.
std::vector<models::shard_layout> layout_of(const models::architecture& arch, const models::task& job);
std::unique_ptr<skeleton> make_skeleton(const models::architecture& arch);

} // namespace fastptm::models
