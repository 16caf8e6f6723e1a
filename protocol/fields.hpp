// How a message struct lists its fields: integers, strings, bytes, handles, structs of those; never floating point.
#pragma once

#include <array>
#include <type_traits>
#include <vector>

#include <caf/all.hpp>

#include "core/digest.hpp"
#include "core/ids.hpp"

namespace fastptm::protocol {

template <class T> struct may_travel : std::bool_constant<!std::is_floating_point_v<T>> {};
template <class T> struct may_travel<std::vector<T>> : may_travel<T> {};
template <class T, size_t n> struct may_travel<std::array<T, n>> : may_travel<T> {};

// The body of every inspect(). CAF 0.17 mangles NaN and denormals on the way and hangs its only I/O thread on an
// infinity, so floating point does not compile here: outputs travel as a payload, rates and ratios as integers.
template <class Inspector, class... Fields>
typename Inspector::result_type fields(Inspector& inspector, const char* name, Fields&... all) {
  static_assert((may_travel<std::remove_const_t<Fields>>::value && ...), "no floating point in messages");
  return inspector(caf::meta::type_name(name), all...);
}

} // namespace fastptm::protocol

namespace fastptm::core {

template <class Inspector, class Tag, class Rep>
typename Inspector::result_type inspect(Inspector& f, strong_id<Tag, Rep>& x) {
  return protocol::fields(f, "id", x.value);
}

template <class Inspector> typename Inspector::result_type inspect(Inspector& f, digest& x) {
  return protocol::fields(f, "digest", x.bytes);
}

} // namespace fastptm::core
