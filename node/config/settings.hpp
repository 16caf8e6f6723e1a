// Reads described structs from a configuration, by name and unit.
//
// `lease_us` is read from `leaseMs`, `arena_bytes` from `arenaMib`.
#pragma once

#include <string_view>
#include <type_traits>

#include "schemas/by_name.hpp"

namespace fastptm::node {

// The schema's field that one of ours is read from, and what its number is multiplied by.
struct setting {
  capnp::StructSchema::Field field;
  uint64_t scale = 1;
};
// Requires: there is one; a name of ours without it is a broken build.
setting find_setting(capnp::StructSchema in, std::string_view name);

// Texts, and enumerations by their names in snake_case.
std::string text_of(const capnp::DynamicValue::Reader& value);

template <core::described T> void read_settings(capnp::DynamicStruct::Reader from, T& to);

template <class T> void read_setting(const capnp::DynamicValue::Reader& from, uint64_t scale, T& to) {
  if constexpr (core::described<T>) {
    read_settings(from.as<capnp::DynamicStruct>(), to);
  } else if constexpr (schema::is_list<T>::value) {
    for (const auto each : from.as<capnp::DynamicList>()) read_setting(each, scale, to.emplace_back());
  } else if constexpr (std::is_same_v<T, std::string>) {
    to = text_of(from);
  } else if constexpr (std::is_same_v<T, bool>) {
    to = from.as<bool>();
  } else {
    to = static_cast<T>(from.as<uint64_t>() * scale);
  }
}

template <core::described T> void read_settings(capnp::DynamicStruct::Reader from, T& to) {
  core::for_each_field(to, [&](std::string_view name, auto& value) {
    const auto found = find_setting(from.getSchema(), name);
    read_setting(from.get(found.field), found.scale, value);
  });
}

} // namespace fastptm::node
