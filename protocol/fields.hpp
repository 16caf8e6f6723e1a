// What travels between actors: described structs, and of what they may be made. Never a floating point.
#pragma once

#include <array>
#include <type_traits>
#include <vector>

#include <caf/all.hpp>

#include "core/digest.hpp"
#include "core/fields.hpp"
#include "core/ids.hpp"

namespace fastptm::protocol {

// CAF 0.17 mangles NaN and denormals on the way and hangs its only I/O thread on an infinity, so floating point does
// not compile in a message: outputs travel as a payload, rates and ratios as integers.
template <class T> struct may_travel : std::bool_constant<!std::is_floating_point_v<T>> {};
template <class T> struct may_travel<std::vector<T>> : may_travel<T> {};
template <class T, size_t n> struct may_travel<std::array<T, n>> : may_travel<T> {};

template <class... Fields> constexpr bool all_may_travel(const std::tuple<Fields...>&) {
  return (may_travel<typename Fields::type>::value && ...);
}
template <core::described T>
struct may_travel<T> : std::bool_constant<all_may_travel(fields_of(std::type_identity<T>{}))> {};

// How CAF reads and writes every message struct, from the one list of its fields.
template <class Inspector, core::described T> typename Inspector::result_type inspect(Inspector& inspector, T& x) {
  static_assert(may_travel<T>::value, "no floating point in messages");
  return std::apply(
      [&](const auto&... each) {
        return inspector(caf::meta::type_name(name_of(std::type_identity<T>{})), x.*each.member...);
      },
      fields_of(std::type_identity<T>{}));
}

} // namespace fastptm::protocol

namespace fastptm::core {

template <class Inspector, class Tag, class Rep>
typename Inspector::result_type inspect(Inspector& f, strong_id<Tag, Rep>& x) {
  return f(caf::meta::type_name("id"), x.value);
}

template <class Inspector> typename Inspector::result_type inspect(Inspector& f, digest& x) {
  return f(caf::meta::type_name("digest"), x.bytes);
}

} // namespace fastptm::core
