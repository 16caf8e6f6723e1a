// Any described struct as JSON: its fields in their order, under their names.
#pragma once

#include <concepts>
#include <string>
#include <vector>

#include "core/fields.hpp"
#include "core/ids.hpp"
#include "core/json_writer.hpp"

namespace fastptm::core {

template <described T> std::string json_of(const T& of);
template <class T> std::string json_of(const std::vector<T>& of);
template <class Tag, class Rep> std::string json_of(const strong_id<Tag, Rep>& of) {
  return std::to_string(of.value);
}
template <named T> std::string json_of(T of) {
  return json_text(to_string(of));
}
template <std::integral T> std::string json_of(T of) {
  return std::to_string(of);
}
inline std::string json_of(bool of) {
  return of ? "true" : "false";
}
inline std::string json_of(const std::string& of) {
  return json_text(of);
}

// Left out: a field of which the struct's own `applies(struct, field)` says so.
template <described T> json_writer json_writer_of(const T& of) {
  json_writer out;
  for_each_field(of, [&](std::string_view name, const auto& value) {
    if constexpr (requires { applies(of, name); })
      if (!applies(of, name)) return;
    out.raw(name, json_of(value));
  });
  return out;
}

template <described T> std::string json_of(const T& of) {
  return json_writer_of(of).str();
}

template <class T> std::string json_of(const std::vector<T>& of) {
  json_list out;
  for (const auto& each : of) out.add(json_of(each));
  return out.str();
}

} // namespace fastptm::core
