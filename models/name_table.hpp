// Small tables between the names of our layouts and those of checkpoints.
#pragma once

#include <array>
#include <string_view>
#include <utility>

#include "core/check.hpp"

namespace fastptm::models {

using name_pair = std::pair<std::string_view, std::string_view>; // module of ours -> module of theirs

template <size_t n> std::string_view theirs(const std::array<name_pair, n>& table, std::string_view ours) {
  for (const auto& [mine, other] : table) {
    if (mine == ours) return other;
  }
  core::check(false, "a slot of the layout has no name in checkpoints");
  return {};
}

// "output.weight" -> module "output", field "weight"; embedding tables are weights without a field of ours.
inline std::pair<std::string_view, std::string_view> module_and_field(std::string_view slot) {
  const auto dot = slot.rfind('.');
  if (dot == std::string_view::npos) return {slot, "weight"};
  return {slot.substr(0, dot), slot.substr(dot + 1)};
}

} // namespace fastptm::models
