// Our described structs to messages and back, by the names of their fields: `bytes_moved` is `bytesMoved` in a schema.
//
// A field that one side lacks, or has with another type, is a fault that tests/schemas finds by walking both; here it
// is an exception of KJ's. Enumerations cross by number, and have the same names on both sides.
#pragma once

#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <capnp/dynamic.h>

#include "core/fields.hpp"
#include "core/ids.hpp"

namespace fastptm::schema {

std::string camel_case(std::string_view snake_case);
std::string snake_case(std::string_view camel_case);

template <core::described T> void write(capnp::DynamicStruct::Builder to, const T& from);
template <core::described T> void read(capnp::DynamicStruct::Reader from, T& to);

// -- one value --------------------------------------------------------------------------------------------------------

template <class T> struct is_strong_id : std::false_type {};
template <class Tag, class Rep> struct is_strong_id<core::strong_id<Tag, Rep>> : std::true_type {};
template <class T> struct is_list : std::false_type {};
template <class T> struct is_list<std::vector<T>> : std::true_type {};

inline capnp::Text::Reader to_text(const std::string& from) {
  return {from.data(), from.size()};
}

// A field of a struct.
template <class T> void write_field(capnp::DynamicStruct::Builder to, capnp::StructSchema::Field field, const T& from) {
  if constexpr (core::described<T>) {
    write(to.init(field).as<capnp::DynamicStruct>(), from);
  } else if constexpr (is_strong_id<T>::value) {
    to.set(field, from.value);
  } else if constexpr (core::named<T>) {
    to.set(field, capnp::DynamicEnum(field.getType().asEnum(), static_cast<uint16_t>(from)));
  } else if constexpr (std::is_same_v<T, std::string>) {
    to.set(field, to_text(from));
  } else if constexpr (is_list<T>::value) {
    auto list = to.init(field, static_cast<unsigned>(from.size())).template as<capnp::DynamicList>();
    for (unsigned i = 0; i < list.size(); ++i) {
      if constexpr (core::described<typename T::value_type>)
        write(list[i].template as<capnp::DynamicStruct>(), from[i]);
      else
        list.set(i, to_text(from[i]));
    }
  } else {
    to.set(field, from);
  }
}

template <class T> void read_value(const capnp::DynamicValue::Reader& from, T& to) {
  if constexpr (core::described<T>) {
    read(from.as<capnp::DynamicStruct>(), to);
  } else if constexpr (is_strong_id<T>::value) {
    read_value(from, to.value);
  } else if constexpr (core::named<T>) {
    const auto number = from.as<capnp::DynamicEnum>().getRaw();
    if (number < names_of(std::type_identity<T>{}).size()) to = static_cast<T>(number); // else a newer cluster's
  } else if constexpr (std::is_same_v<T, std::string>) {
    const auto text = from.as<capnp::Text>();
    to.assign(text.begin(), text.size());
  } else if constexpr (is_list<T>::value) {
    for (const auto each : from.as<capnp::DynamicList>()) read_value(each, to.emplace_back());
  } else {
    to = from.as<T>();
  }
}

// -- a struct ---------------------------------------------------------------------------------------------------------

// The fields of a schema in the order of T's own: looked up once, as every T meets one schema only.
template <core::described T> const std::vector<capnp::StructSchema::Field>& fields_in(capnp::StructSchema schema) {
  static const auto found = [&] {
    std::vector<capnp::StructSchema::Field> out;
    core::for_each_field_of<T>(
        [&](const auto& each) { out.push_back(schema.getFieldByName(kj::StringPtr(camel_case(each.name).c_str()))); });
    return out;
  }();
  KJ_REQUIRE(found.front().getContainingStruct() == schema, "a struct of ours meets one schema only");
  return found;
}

template <core::described T> void write(capnp::DynamicStruct::Builder to, const T& from) {
  auto field = fields_in<T>(to.getSchema()).begin();
  core::for_each_field(from, [&](std::string_view, const auto& value) { write_field(to, *field++, value); });
}

template <core::described T> void read(capnp::DynamicStruct::Reader from, T& to) {
  auto field = fields_in<T>(from.getSchema()).begin();
  core::for_each_field(to, [&](std::string_view, auto& value) { read_value(from.get(*field++), value); });
}

// -- as generated types say it ----------------------------------------------------------------------------------------

// Of a generated reader: `read_as<protocol::explanation>(results.getExplanation())`.
template <core::described T, class Reader> T read_as(Reader from) {
  T out;
  read(capnp::DynamicStruct::Reader(from), out);
  return out;
}

template <core::described T, class List> std::vector<T> read_rows(List from) {
  std::vector<T> out;
  out.reserve(from.size());
  for (const auto each : from) out.push_back(read_as<T>(each));
  return out;
}

// Into a list that has as many rows.
template <core::described T, class List, class Rows> void write_rows(List to, const Rows& from) {
  unsigned i = 0;
  for (const auto& each : from) write<T>(capnp::DynamicStruct::Builder(to[i++]), each);
}

} // namespace fastptm::schema
